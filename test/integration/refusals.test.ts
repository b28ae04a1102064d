import * as decoding from 'lib0/decoding'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { decodeRefusal, type RefusalNotice, UNDERSTANDS_REFUSALS } from '../../model/refusals.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { openClient, whenDocument } from '../support/clients.ts'
import type { FrameSocket } from '../support/frame-socket.ts'
import {
  authMessage,
  deniedReason,
  openFrameSocket,
  readMessage,
  statelessMessage,
  syncMessage,
  syncPayload,
  syncStatus,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.stop())

beforeEach(() => {
  documents += 1
  name = `refusals/${documents}`
})

function noticeIn(message: Uint8Array): RefusalNotice | undefined {
  const { type, decoder } = readMessage(message)
  return type === MessageType.Stateless ? decodeRefusal(decoding.readVarString(decoder)) : undefined
}

/** A socket of ann's whose client understands refusals in each of `names`. */
async function openSocket(...names: readonly string[]): Promise<FrameSocket> {
  const [first = name, ...others] = names
  const socket = await openFrameSocket(server, first, { user: 'ann' })
  for (const other of others) await open(socket, other)
  for (const each of names) socket.send(statelessMessage(each, UNDERSTANDS_REFUSALS))
  return socket
}

async function open(socket: FrameSocket, document: string): Promise<void> {
  const before = socket.messages.length
  socket.send(authMessage(document, tokenFor('ann')))
  socket.send(syncMessage(document, SyncType.Step1, Uint8Array.of(0)))
  await socket.message(
    (message) =>
      socket.messages.indexOf(message) >= before &&
      readMessage(message).name === document &&
      syncPayload(message, SyncType.Step2) !== undefined,
  )
}

const write = (socket: FrameSocket, document: string, client: number) =>
  socket.send(
    updateMessage(
      document,
      updateOf(client, (ydoc) => ydoc.getText('text').insert(0, 'x')),
    ),
  )

const acknowledged = (socket: FrameSocket, document: string) =>
  socket.message((message) => readMessage(message).name === document && syncStatus(message) === true)

test('a new token without a grant closes one document to a client that understands, and it can be opened again', async () => {
  const [revoked, other] = [`${name}/revoked`, `${name}/other`]
  const socket = await openSocket(revoked, other)
  const peer = openClient(server, revoked, { user: 'bob' })
  await peer.synced()
  socket.send(authMessage(revoked, tokenFor('ann', { access: { [other]: 'write' } })))
  const denial = await socket.message((message) => deniedReason(message) !== undefined)
  expect(readMessage(denial).name).toBe(revoked)
  expect(deniedReason(denial)).toBe('access/no-grant')

  // Neither heard nor hearing any more, while the other document goes on.
  const before = socket.messages.length
  peer.text.insert(0, 'secret')
  await peer.saved()
  write(socket, other, 1)
  await acknowledged(socket, other)
  expect(socket.messages.slice(before).filter((message) => readMessage(message).name === revoked)).toEqual([])

  await open(socket, revoked)
  write(socket, revoked, 2)
  await acknowledged(socket, revoked)
  await whenDocument(peer.ydoc, () => peer.text.length === 'secret'.length + 1)
  peer.destroy()
  socket.destroy()
})

test('presence of a document that was closed alone disappears', async () => {
  const ann = openClient(server, name, { user: 'ann' })
  const bob = openClient(server, name, { user: 'bob' })
  await Promise.all([ann.synced(), bob.synced()])
  ann.provider.sendStateless(UNDERSTANDS_REFUSALS)
  ann.provider.setAwarenessField('cursor', 1)
  await expect.poll(() => bob.provider.awareness?.getStates().has(ann.ydoc.clientID)).toBe(true)
  const denied = new Promise<string>((resolve) =>
    ann.provider.on('authenticationFailed', ({ reason }: { reason: string }) => resolve(reason)),
  )
  ann.socket.webSocket?.send(new Uint8Array(authMessage(name, tokenFor('ann', { access: {} }))))
  expect(await denied).toBe('access/no-grant')
  await expect.poll(() => bob.provider.awareness?.getStates().has(ann.ydoc.clientID)).toBe(false)
  ann.destroy()
  bob.destroy()
})

test("new structs under somebody else's client id are refused with a notice, and nothing of them stays", async () => {
  const owner = openClient(server, name, { user: 'bob' })
  owner.text.insert(0, 'by bob')
  await owner.saved()
  const socket = await openSocket(name)
  write(socket, name, 1)
  await acknowledged(socket, name)
  const forged = updateOf(owner.ydoc.clientID, (ydoc) => ydoc.getText('text').insert(0, 'not by bob at all'))
  socket.send(updateMessage(name, forged))
  const notice = noticeIn(await socket.message((message) => noticeIn(message) !== undefined))
  expect(notice?.rule).toBe('document/client-id-taken')
  expect(notice?.reason).toContain(String(owner.ydoc.clientID))
  await socket.message((message) => syncStatus(message) === false)
  owner.text.insert(0, '!')
  await owner.saved()
  expect(owner.text.toString()).toMatch(/by bob/)
  expect(owner.text.toString()).not.toMatch(/not by bob/)
  owner.destroy()
  socket.destroy()
})

test('a malformed update closes with 4400 all the same', async () => {
  const socket = await openSocket(name)
  socket.send(updateMessage(name, Uint8Array.of(1, 2, 3)))
  expect((await socket.closed).code).toBe(CloseCode.Malformed)
})
