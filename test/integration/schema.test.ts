import * as decoding from 'lib0/decoding'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { decodeRefusal, SCHEMA_TOO_OLD, UNDERSTANDS_REFUSALS } from '../../model/refusals.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { openClient, openYWebsocket, whenDocument } from '../support/clients.ts'
import { FrameSocket, sendHttp, upgradeRequest } from '../support/frame-socket.ts'
import {
  authMessage,
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
import { TunnelClient } from '../support/tunnel.ts'

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer({ environment: { MIN_SCHEMA: '3' } })
})

afterAll(() => server.stop())

beforeEach(() => {
  documents += 1
  name = `schema/${documents}`
})

const update = () => updateOf(7, (ydoc) => ydoc.getText('text').insert(0, 'from an old app'))

function stateless(message: Uint8Array): string | undefined {
  const { type, decoder } = readMessage(message)
  return type === MessageType.Stateless ? decoding.readVarString(decoder) : undefined
}

/** The scope that the handshake gave. */
function scope(messages: readonly Uint8Array[]): string | undefined {
  for (const message of messages) {
    const { type, decoder } = readMessage(message)
    if (type === MessageType.Auth && decoding.readVarUint(decoder) === 2) return decoding.readVarString(decoder)
  }
  return undefined
}

async function storedText(): Promise<string> {
  const fresh = openClient({ socketUrl: `${server.socketUrl}?schema=3` }, name)
  await fresh.synced()
  fresh.destroy()
  return fresh.text.toString()
}

describe.each([
  ['of an older schema', '?schema=2'],
  ['that tells no schema', ''],
])('a client %s', (_title, query) => {
  test('may read, is told so, and is closed with 4426 when it writes', async () => {
    const current = openClient({ socketUrl: `${server.socketUrl}?schema=4` }, name)
    current.text.insert(0, 'readable')
    await current.saved()
    const old = await openFrameSocket(server, name, { path: `/collab${query}` })
    expect(scope(old.messages)).toBe('readonly')
    await old.message((message) => stateless(message) === SCHEMA_TOO_OLD)
    expect(old.messages.some((message) => (syncPayload(message, SyncType.Step2)?.length ?? 0) > 2)).toBe(true)
    // What it has from the server is no attempt to write.
    old.send(
      syncMessage(
        name,
        SyncType.Step2,
        updateOf(8, () => {}),
      ),
    )
    await old.message((message) => syncStatus(message) === true)
    old.send(updateMessage(name, update()))
    expect((await old.closed).code).toBe(CloseCode.SchemaTooOld)
    expect(await storedText()).toBe('readable')
    current.destroy()
  })

  test('that understands refusals gets one, and stays', async () => {
    const old = await openFrameSocket(server, name, { path: `/collab${query}` })
    old.send(statelessMessage(name, UNDERSTANDS_REFUSALS))
    old.send(syncMessage(name, SyncType.Step2, update()))
    const notice = await old.message((message) => decodeRefusal(stateless(message) ?? '') !== undefined)
    expect(decodeRefusal(stateless(notice) ?? '')?.rule).toBe('document/schema-too-old')
    await old.message((message) => syncStatus(message) === false)
    expect(await storedText()).toBe('')
    old.destroy()
  })
})

test('the rule holds for y-websocket clients and for those over HTTP', async () => {
  const current = openYWebsocket(server, name, 'ann')
  // Without a schema in its URL.
  current.doc.getText('text').insert(0, 'lost')
  const closed = new Promise<number>((resolve) =>
    current.on('connection-close', (event: { code: number } | null) => resolve(event?.code ?? 0)),
  )
  expect(await closed).toBe(CloseCode.SchemaTooOld)
  current.destroy()

  const token = tokenFor('bob')
  const reader = await FrameSocket.open(server, { path: `/yjs/${name}?token=${token}&schema=3` })
  reader.send(
    updateMessage(
      null,
      updateOf(9, (ydoc) => ydoc.getText('text').insert(0, 'kept')),
    ),
  )
  const watcher = openClient(server, name)
  await whenDocument(watcher.ydoc, () => watcher.text.toString() === 'kept')
  watcher.destroy()
  reader.destroy()

  for (const [query, code] of [
    ['?schema=2', CloseCode.SchemaTooOld],
    ['?schema=3', undefined],
  ] as const) {
    const tunnel = await TunnelClient.open(server, { query })
    await tunnel.send(authMessage(name, token), updateMessage(name, update()))
    if (code !== undefined) expect((await tunnel.closed).code).toBe(code)
    else await tunnel.message((message) => syncStatus(message) === true)
    tunnel.destroy()
  }
})

test('whoever may only read by their token is told nothing of schemas', async () => {
  const token = tokenFor('reader', { access: { '**': 'read' } })
  const reader = await openFrameSocket(server, name, { token })
  reader.send(updateMessage(name, update()))
  await reader.message((message) => syncStatus(message) === false)
  expect(reader.messages.map(stateless).filter((payload) => payload !== undefined)).toEqual([])
  reader.destroy()
})

test('a schema that is no number is refused', async () => {
  for (const path of ['/collab?schema=new', `/yjs/${name}?schema=-1`]) {
    const answer = await sendHttp(server.port, upgradeRequest(path))
    expect(answer.status).toBe(400)
  }
  await expect(TunnelClient.open(server, { query: '?schema=1.5' })).rejects.toThrow('400')
})
