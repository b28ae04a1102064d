import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { type Client, openClient, openSocket, openYWebsocket, until, whenDocument } from '../support/clients.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import { authMessage, deniedReason, numbers, syncMessage, syncPayload } from '../support/messages.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

beforeEach(() => {
  documents += 1
  name = `clients/${documents}`
})

function awarenessOf(provider: HocuspocusProvider): Awareness {
  if (provider.awareness === null) throw new Error('the provider has no awareness')
  return provider.awareness
}

/** Resolves once `awareness` shows a state of `client` with this `field`. */
function whenField(awareness: Pick<Awareness, 'getStates' | 'on'>, client: number, field: string, value: unknown) {
  return until(
    () => awareness.getStates().get(client)?.[field] === value,
    (check) => awareness.on('change', check),
  )
}

function textOf(ydoc: Y.Doc): string {
  return ydoc.getText('text').toString()
}

describe('a Hocuspocus client and a y-websocket client', () => {
  test('[promise 2] converge on one document, and see each other', async () => {
    const ann = openClient(server, name)
    const bob = openYWebsocket(server, name)
    ann.text.insert(0, 'hello ')
    await whenDocument(bob.doc, () => textOf(bob.doc) === 'hello ')
    bob.doc.getText('text').insert(6, 'world')
    await whenDocument(ann.ydoc, () => textOf(ann.ydoc) === 'hello world')
    // At the same time, in the same place.
    ann.text.insert(5, ', dear')
    bob.doc.getText('text').insert(5, ', new')
    await whenDocument(ann.ydoc, () => ann.text.length === 22)
    await whenDocument(bob.doc, () => textOf(bob.doc).length === 22)
    expect(textOf(bob.doc)).toBe(textOf(ann.ydoc))

    ann.provider.setAwarenessField('cursor', 3)
    bob.awareness.setLocalStateField('cursor', 4)
    await whenField(bob.awareness, ann.ydoc.clientID, 'cursor', 3)
    await whenField(awarenessOf(ann.provider), bob.doc.clientID, 'cursor', 4)
    ann.destroy()
    bob.destroy()
  })

  test('whoever comes later gets everything, presence too', async () => {
    const bob = openYWebsocket(server, name)
    bob.doc.getText('text').insert(0, 'early')
    bob.awareness.setLocalStateField('cursor', 1)
    const ann = openClient(server, name)
    await whenDocument(ann.ydoc, () => textOf(ann.ydoc) === 'early')
    await whenField(awarenessOf(ann.provider), bob.doc.clientID, 'cursor', 1)
    const carol = openYWebsocket(server, name, 'carol')
    await whenField(carol.awareness, bob.doc.clientID, 'cursor', 1)
    await whenDocument(carol.doc, () => textOf(carol.doc) === 'early')
    for (const client of [ann, bob, carol]) client.destroy()
  })
})

describe('tokens of y-websocket clients', () => {
  const open = (options: ConstructorParameters<typeof WebsocketProvider>[3]) =>
    new WebsocketProvider(`ws://127.0.0.1:${server.port}/yjs`, name, new Y.Doc(), {
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
      ...options,
    })
  const synced = (provider: WebsocketProvider) =>
    until(
      () => provider.synced,
      (check) => provider.on('sync', check),
    )

  test('may come in the query', async () => {
    const provider = open({ params: { token: tokenFor('ann') } })
    await synced(provider)
    provider.destroy()
  })

  test('may come as a subprotocol, alone or beside ours', async () => {
    for (const protocols of [[tokenFor('ann')], ['coweave', tokenFor('ann')], [tokenFor('ann'), 'coweave']]) {
      const provider = open({ protocols })
      await synced(provider)
      // What the server picked is told to all proxies: not the token, if there is another.
      expect(provider.ws?.protocol).toBe(protocols.includes('coweave') ? 'coweave' : protocols[0])
      provider.destroy()
    }
  })

  test('a missing or a bad one closes with 4401 for good, no grant with 4403', async () => {
    const refused: [Parameters<typeof open>[0], number][] = [
      [{}, CloseCode.Unauthorized],
      [{ params: { token: 'x' } }, CloseCode.Unauthorized],
      [{ protocols: ['a.b.c'] }, CloseCode.Unauthorized],
      [{ params: { token: tokenFor('ann', { access: { other: 'write' } }) } }, CloseCode.Forbidden],
    ]
    for (const [options, expected] of refused) {
      const provider = open(options)
      const code = await new Promise((resolve) =>
        provider.on('closed', (event: { code: number }) => resolve(event.code)),
      )
      expect(code).toBe(expected)
      provider.destroy()
    }
  })
})

describe('several documents on one socket', () => {
  test('go on beside each other', async () => {
    const socket = openSocket(server)
    const clients = ['a', 'b', 'c'].map((each) => openClient(server, `${name}/${each}`, { socket }))
    const others = ['a', 'b', 'c'].map((each) => openClient(server, `${name}/${each}`, { user: 'bob' }))
    for (const [index, client] of clients.entries()) client.text.insert(0, `document ${index}`)
    for (const [index, other] of others.entries()) {
      await whenDocument(other.ydoc, () => textOf(other.ydoc) === `document ${index}`)
    }
    expect(socket.configuration.providerMap.size).toBe(3)
    const [first, second] = clients
    first?.provider.destroy()
    second?.text.insert(0, '> ')
    await second?.saved()
    await whenDocument(others[1]?.ydoc as Y.Doc, () => textOf(others[1]?.ydoc as Y.Doc) === '> document 1')
    for (const client of [...clients, ...others]) client.destroy()
    socket.destroy()
  })

  test('one that is not granted is denied, and the others go on', async () => {
    const socket = openSocket(server)
    const token = tokenFor('ann', { access: { [`${name}/mine`]: 'write' } })
    const mine = openClient(server, `${name}/mine`, { socket, token })
    const other = openClient(server, `${name}/other`, { socket, token })
    const reason = await new Promise((resolve) =>
      other.provider.on('authenticationFailed', ({ reason }: { reason: string }) => resolve(reason)),
    )
    expect(reason).toBe('access/no-grant')
    mine.text.insert(0, 'still here')
    await mine.saved()
    for (const client of [mine, other]) client.destroy()
    socket.destroy()
  })

  test('one document twice, with session-aware providers', async () => {
    const socket = openSocket(server)
    const open = () => {
      const provider = new HocuspocusProvider({
        websocketProvider: socket,
        name,
        document: new Y.Doc(),
        token: tokenFor('ann'),
        sessionAwareness: true,
      })
      provider.attach()
      return provider
    }
    const [left, right] = [open(), open()]
    left.document.getText('text').insert(0, 'left')
    await whenDocument(right.document, () => textOf(right.document) === 'left')
    right.document.getText('text').insert(4, ' right')
    await whenDocument(left.document, () => textOf(left.document) === 'left right')
    left.setAwarenessField('cursor', 1)
    await whenField(awarenessOf(right), left.document.clientID, 'cursor', 1)
    const gone = until(
      () => !awarenessOf(right).getStates().has(left.document.clientID),
      (check) => awarenessOf(right).on('change', check),
    )
    left.destroy()
    await gone
    right.document.getText('text').insert(0, '> ')
    await until(
      () => right.unsyncedChanges === 0,
      (check) => right.on('unsyncedChanges', check),
    )
    right.destroy()
    socket.destroy()
  })
})

describe('closing a document and opening it again on the same socket', () => {
  const open = (socket: HocuspocusProviderWebsocket, ydoc: Y.Doc, token = tokenFor('ann')): Client =>
    openClient(server, name, { socket, ydoc, token })

  test('at once, over and over', async () => {
    const socket = openSocket(server)
    const ydoc = new Y.Doc()
    let client = open(socket, ydoc)
    await client.synced()
    for (let round = 0; round < 20; round += 1) {
      client.destroy()
      client = open(socket, ydoc)
      client.text.insert(0, 'x')
      // Half of them without waiting for anything.
      if (round % 2 === 0) await client.saved()
    }
    await client.saved()
    const other = openClient(server, name, { user: 'bob' })
    await other.synced()
    expect(textOf(other.ydoc)).toBe('x'.repeat(20))
    for (const each of [client, other]) each.destroy()
    socket.destroy()
  })

  test('before the first token was checked', async () => {
    const socket = await FrameSocket.open(server)
    const open = [authMessage(name, tokenFor('ann')), syncMessage(name, SyncType.Step1, Uint8Array.of(0))]
    const rounds = Array.from({ length: 5 }, () => [...open, numbers(name, MessageType.Close)])
    socket.sendTogether(...rounds.flat(), ...open)
    // Each is answered in its turn, the last one, too.
    let answers = 0
    await socket.message((message) => {
      if (syncPayload(message, SyncType.Step2) !== undefined) answers += 1
      return answers === 6
    })
    socket.destroy()
  })

  test('with a good token, before the bad one was refused', async () => {
    const socket = await FrameSocket.open(server)
    socket.sendTogether(
      authMessage(name, 'bad'),
      syncMessage(name, SyncType.Step1, Uint8Array.of(0)),
      numbers(name, MessageType.Close),
      authMessage(name, tokenFor('ann')),
      syncMessage(name, SyncType.Step1, Uint8Array.of(0)),
    )
    await socket.message((message) => deniedReason(message) === 'access/token-invalid')
    await socket.message((message) => syncPayload(message, SyncType.Step2) !== undefined)
    socket.destroy()
  })
})

test('a document of 20 MB reaches a new client whole', async () => {
  const ann = openClient(server, name)
  await ann.synced()
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(30_000)
  for (let part = 0; part < 20; part += 1) ann.text.insert(ann.text.length, letters)
  await ann.saved()
  const fresh = openClient(server, name, { user: 'bob' })
  await fresh.synced()
  expect(fresh.text.length).toBe(20 * letters.length)
  expect(textOf(fresh.ydoc)).toBe(textOf(ann.ydoc))
  const viaYWebsocket = openYWebsocket(server, name, 'carol')
  await whenDocument(viaYWebsocket.doc, () => viaYWebsocket.doc.getText('text').length === 20 * letters.length)
  // In one message the other way, as after a long time offline.
  const offline = new Y.Doc()
  Y.applyUpdate(offline, Y.encodeStateAsUpdate(ann.ydoc))
  const dave = openClient(server, `${name}/copy`, {
    user: 'dave',
    token: tokenFor('dave', { relay: true }),
    ydoc: offline,
  })
  await dave.saved()
  for (const client of [ann, fresh, viaYWebsocket, dave]) client.destroy()
})

test('an update over the limit before authentication goes in once the document is open', async () => {
  // y-websocket and Hocuspocus clients send what is typed before the answer to their token has come.
  const ydoc = new Y.Doc()
  const client = openClient(server, name, { ydoc })
  await until(
    () => client.provider.isAuthenticated,
    (check) => client.provider.on('authenticated', check),
  )
  ydoc.getText('text').insert(0, 'x'.repeat(3 * 1024 * 1024))
  await client.saved()
  client.destroy()
})

test('a client without awareness stays connected: messageReconnectTimeout is only an upper bound', async () => {
  const socket = new HocuspocusProviderWebsocket({ url: server.socketUrl, WebSocketPolyfill: WebSocket })
  const provider = new HocuspocusProvider({
    websocketProvider: socket,
    name,
    document: new Y.Doc(),
    token: tokenFor('ann'),
    awareness: null,
  })
  let disconnects = 0
  socket.on('disconnect', () => {
    disconnects += 1
  })
  provider.attach()
  await until(
    () => provider.synced,
    (check) => provider.on('synced', check),
  )
  provider.document.getText('text').insert(0, 'quiet')
  await until(
    () => provider.unsyncedChanges === 0,
    (check) => provider.on('unsyncedChanges', check),
  )
  expect(disconnects).toBe(0)
  provider.destroy()
  socket.destroy()
})
