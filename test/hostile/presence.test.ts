import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { type Client, openClient, openSocket, openYWebsocket, whenDocument } from '../support/clients.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import {
  authMessage,
  awarenessMessage,
  awarenessStates,
  awarenessUpdate,
  numbers,
  openFrameSocket,
  openYFrameSocket,
  syncMessage,
  syncPayload,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { type AwarenessLike, namesOf, whenPresent } from './witnesses.ts'

let server: TestServer
let witness: Client
let presence: Awareness
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.stop())

beforeEach(async () => {
  documents += 1
  name = `presence/${documents}`
  witness = openClient(server, name, { user: 'witness' })
  await witness.synced()
  presence = awarenessOf(witness)
  show(witness, 'witness')
  return () => witness.destroy()
})

function awarenessOf({ provider }: Client): Awareness {
  if (provider.awareness === null) throw new Error('the provider has no awareness')
  return provider.awareness
}

function show(client: Client, user: string, color = 'blue'): void {
  client.provider.setAwarenessField('user', { name: user, color })
}

function openAs(user: string, ydoc = new Y.Doc()): Client {
  const client = openClient(server, name, { user, ydoc })
  show(client, user)
  return client
}

function stateMessage(client: number, clock: number, state: unknown): Uint8Array {
  return awarenessMessage(name, awarenessUpdate([{ client, clock, state: JSON.stringify(state) }]))
}

/** Resolves once the witness has heard everything that the server took from `socket` so far. */
async function heardAll(socket: FrameSocket, id: number): Promise<void> {
  socket.send(
    updateMessage(
      name,
      updateOf(id, (ydoc) => ydoc.getMap('markers').set(String(id), true)),
    ),
  )
  await whenDocument(witness.ydoc, () => witness.ydoc.getMap('markers').has(String(id)))
}

describe('[promise 3] identity', () => {
  test('the user of the token stands in the state, whatever it said; the colour is kept', async () => {
    const mallory = await openFrameSocket(server, name)
    mallory.send(stateMessage(77, 1, { user: { id: 'witness', name: 'witness', color: 'red' }, cursor: { anchor: 1 } }))
    await whenPresent(presence, ['mallory', 'witness'])
    expect(presence.getStates().get(77)).toEqual({
      user: { id: 'mallory', name: 'mallory', color: 'red' },
      cursor: { anchor: 1 },
    })
    mallory.send(stateMessage(77, 2, { user: 'witness' }))
    await heardAll(mallory, 1)
    expect(presence.getStates().get(77)).toEqual({ user: { id: 'mallory', name: 'mallory' } })
    mallory.destroy()
  })

  test('keys that pollute prototypes are left out', async () => {
    const mallory = await openFrameSocket(server, name)
    const state =
      '{"__proto__":{"a":1},"user":{"__proto__":{"id":"x"}},"\\u0063onstructor":{"prototype":{}},"kept":[{"prototype":1}]}'
    mallory.send(awarenessMessage(name, awarenessUpdate([{ client: 77, clock: 1, state }])))
    await whenPresent(presence, ['mallory', 'witness'])
    expect(JSON.stringify(presence.getStates().get(77))).toBe('{"user":{"id":"mallory","name":"mallory"},"kept":[{}]}')
    mallory.destroy()
  })

  test("another user's client id can't be spoken for, nor removed", async () => {
    const ann = openAs('ann')
    await whenPresent(presence, ['ann', 'witness'])
    const changes: unknown[] = []
    presence.on('change', (change: unknown) => changes.push(change))
    for (const [id, open] of [openFrameSocket, openYFrameSocket].entries()) {
      const mallory = await open(server, name)
      const address = open === openFrameSocket ? name : null
      for (const state of ['{"user":{"name":"mallory"}}', 'null']) {
        const entry = { client: ann.ydoc.clientID, clock: 1000, state }
        mallory.send(awarenessMessage(address, awarenessUpdate([entry])))
      }
      mallory.send(
        updateMessage(
          address,
          updateOf(1 + id, (ydoc) => ydoc.getMap('markers').set(open.name, true)),
        ),
      )
      await whenDocument(witness.ydoc, () => witness.ydoc.getMap('markers').has(open.name))
      mallory.destroy()
      await mallory.ended
    }
    expect(changes).toEqual([])
    show(ann, 'ann', 'green')
    await whenState(presence, ann.ydoc.clientID, '"green"')
    ann.destroy()
  })

  test('an id that somebody has written with is theirs while they are away', async () => {
    const ann = openAs('ann')
    await ann.synced()
    ann.text.insert(0, 'hello')
    await ann.saved()
    const { clientID } = ann.ydoc
    ann.destroy()
    await whenPresent(presence, ['witness'])
    const mallory = await openFrameSocket(server, name)
    mallory.send(stateMessage(clientID, 1000, { user: { name: 'ann' } }))
    await heardAll(mallory, 1)
    expect(namesOf(presence)).toEqual(['witness'])
    mallory.destroy()
  })
})

/** Resolves once the state of `client` contains `text`. */
function whenState(awareness: Awareness, client: number, text: string): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (JSON.stringify(awareness.getStates().get(client))?.includes(text)) resolve()
    }
    awareness.on('change', check)
    check()
  })
}

describe('[promise 3] whoever leaves disappears for others at once', () => {
  const ways: Record<string, (client: FrameSocket) => void> = {
    'with a close frame': (client) => client.send(Uint8Array.of(0x03, 0xe8), { opcode: 8 }),
    'without a close frame': (client) => client.destroy(),
    'by closing the document, keeping the socket': (client) => client.send(numbers(name, MessageType.Close)),
    'by saying so': (client) => client.send(stateMessage(77, 2, null)),
    'because it was cut off': (client) => client.send(numbers(name, 99)),
  }

  for (const [title, leave] of Object.entries(ways)) {
    test(title, async () => {
      const client = await openFrameSocket(server, name, { user: 'ann' })
      client.send(stateMessage(77, 1, {}))
      await whenPresent(presence, ['ann', 'witness'])
      leave(client)
      await whenPresent(presence, ['witness'])
      client.destroy()
    })
  }

  test('with provider.destroy(), and with its detach()', async () => {
    const ann = openAs('ann')
    await whenPresent(presence, ['ann', 'witness'])
    ann.provider.destroy()
    await whenPresent(presence, ['witness'])
    ann.socket.destroy()

    const bob = openAs('bob')
    await whenPresent(presence, ['bob', 'witness'])
    bob.provider.detach()
    await whenPresent(presence, ['witness'])
    bob.destroy()
  })

  test('when it closes the document before it is open', async () => {
    const client = await FrameSocket.open(server)
    client.sendTogether(
      authMessage(name, tokenFor('ghost')),
      stateMessage(77, 1, {}),
      numbers(name, MessageType.Close),
      // It comes back without presence.
      authMessage(name, tokenFor('ghost')),
    )
    await heardAll(client, 1)
    expect(namesOf(presence)).toEqual(['witness'])
    client.destroy()
  })
})

describe('[promise 3] whoever comes back is visible at once', () => {
  test('with the same client id and the same clock', async () => {
    for (let round = 0; round < 5; round += 1) {
      const client = await openFrameSocket(server, name, { user: 'ann' })
      client.send(stateMessage(77, 3, { round }))
      await whenPresent(presence, ['ann', 'witness'])
      expect(presence.getStates().get(77)).toMatchObject({ round })
      client.destroy()
      await whenPresent(presence, ['witness'])
    }
  })

  test('with a stock client whose socket is cut off', async () => {
    const ann = openAs('ann')
    await whenPresent(presence, ['ann', 'witness'])
    for (let round = 0; round < 3; round += 1) {
      const gone = whenPresent(presence, ['witness'])
      const socket = ann.socket.webSocket as unknown as WebSocket
      socket.terminate()
      await gone
      await whenPresent(presence, ['ann', 'witness'])
    }
    ann.destroy()
  })

  test('before the server has noticed that the old socket is dead, and stays visible when it does', async () => {
    const old = await openFrameSocket(server, name, { user: 'ann' })
    old.send(stateMessage(77, 3, { from: 'old' }))
    await whenPresent(presence, ['ann', 'witness'])
    const back = await openFrameSocket(server, name, { user: 'ann' })
    back.send(stateMessage(77, 3, { from: 'old' }))
    back.send(stateMessage(77, 4, { from: 'back' }))
    await whenState(presence, 77, '"back"')
    const changes: unknown[] = []
    presence.on('change', (change: unknown) => changes.push(change))
    old.destroy()
    await old.ended
    await heardAll(back, 1)
    expect(changes).toEqual([])
    expect(namesOf(presence)).toEqual(['ann', 'witness'])
    back.destroy()
  })

  test('with a new client id after meeting a twin', async () => {
    const ann = openAs('ann')
    await ann.synced()
    ann.text.insert(0, 'a')
    await ann.saved()
    await whenPresent(presence, ['ann', 'witness'])
    // Yjs takes a new client id when it meets changes of its own that it didn't make.
    const twin = await openFrameSocket(server, name, { user: 'ann' })
    const copy = new Y.Doc()
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(ann.ydoc))
    copy.clientID = ann.ydoc.clientID
    copy.getText('text').insert(1, 'b')
    const before = ann.ydoc.clientID
    twin.send(updateMessage(name, Y.encodeStateAsUpdate(copy)))
    await whenDocument(ann.ydoc, () => ann.text.toString() === 'ab')
    expect(ann.ydoc.clientID).not.toBe(before)
    ann.text.insert(2, 'c')
    await ann.saved()
    ann.destroy()
    twin.destroy()
    await whenPresent(presence, ['witness'])
  })
})

describe('[promise 3] y-websocket clients repeat what they hear', () => {
  test('which harms nobody', async () => {
    const ann = openAs('ann')
    const bob = openYWebsocket(server, name, 'bob')
    const carol = openYWebsocket(server, name, 'carol')
    bob.awareness.setLocalStateField('user', { name: 'bob', color: 'red' })
    carol.awareness.setLocalStateField('user', { name: 'carol', color: 'red' })
    const everybody = ['ann', 'bob', 'carol', 'witness']
    await Promise.all([
      whenPresent(presence, everybody),
      whenPresent(awarenessOf(ann), everybody),
      whenPresent(bob.awareness as AwarenessLike, everybody),
      whenPresent(carol.awareness as AwarenessLike, everybody),
    ])
    show(ann, 'ann', 'green')
    await whenState(carol.awareness, ann.ydoc.clientID, '"green"')
    carol.destroy()
    await whenPresent(presence, ['ann', 'bob', 'witness'])
    bob.awareness.setLocalStateField('user', { name: 'bob', color: 'yellow' })
    await whenState(presence, bob.doc.clientID, '"yellow"')
    ann.destroy()
    await whenPresent(presence, ['bob', 'witness'])
    bob.destroy()
    await whenPresent(presence, ['witness'])
  })

  test('also one of the same user that shows nothing itself: no echo goes round and round', async () => {
    const shown = openYWebsocket(server, name, 'ann')
    shown.awareness.setLocalStateField('user', { name: 'ann' })
    await whenPresent(presence, ['ann', 'witness'])
    const ydoc = new Y.Doc()
    const silent = new Awareness(ydoc)
    silent.setLocalState(null)
    const listener = new WebsocketProvider(`ws://127.0.0.1:${server.port}/yjs`, name, ydoc, {
      params: { token: tokenFor('ann') },
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      awareness: silent,
      disableBc: true,
    })
    await whenPresent(silent as AwarenessLike, ['ann', 'witness'])
    const echoes: unknown[] = []
    shown.awareness.on('update', (change: unknown, origin: unknown) => {
      if (origin === shown) echoes.push(change)
    })
    for (let index = 0; index < 10; index += 1) {
      shown.awareness.setLocalStateField('cursor', index)
      await whenState(silent, shown.doc.clientID, `"cursor":${index}`)
    }
    for (let index = 0; index < 10; index += 1) {
      shown.doc.getText('t').insert(0, 'x')
      await whenDocument(ydoc, () => ydoc.getText('t').length === index * 2 + 1)
      ydoc.getText('t').insert(0, 'y')
      await whenDocument(shown.doc, () => shown.doc.getText('t').length === index * 2 + 2)
    }
    expect(echoes).toEqual([])
    listener.destroy()
    shown.destroy()
  })

  test('also the removal of somebody who left: what is repeated takes no place', async () => {
    const client = await openYFrameSocket(server, name, { user: 'ann' })
    client.send(awarenessMessage(null, awarenessUpdate([{ client: 4711, clock: 5, state: 'null' }])))
    client.send(awarenessMessage(null, awarenessUpdate([{ client: 77, clock: 1, state: '{}' }])))
    await whenPresent(presence, ['ann', 'witness'])
    expect(presence.getStates().has(77)).toBe(true)
    client.destroy()
  })
})

test('[promise 3] whoever opens a document in the same moment is seen', async () => {
  for (let round = 0; round < 20; round += 1) {
    // A document that is not in memory yet: all of them wait for the same loading.
    const document = `${name}/${round}`
    const sockets = await Promise.all(Array.from({ length: 4 }, () => FrameSocket.open(server)))
    for (const [index, socket] of sockets.entries()) {
      const entry = { client: 100 + index, clock: 1, state: '{}' }
      socket.send(authMessage(document, tokenFor(`user-${index}`)))
      socket.send(awarenessMessage(document, awarenessUpdate([entry])))
    }
    const seen = sockets.map(async (socket, index) => {
      for (let other = 0; other < sockets.length; other += 1) {
        if (other === index) continue
        await socket.message((message) => awarenessStates(message).some(([client]) => client === 100 + other))
      }
    })
    await Promise.all(seen)
    for (const socket of sockets) socket.destroy()
  }
})

test('two documents on one socket show two presences, and closing one leaves the other', async () => {
  const socket = openSocket(server)
  const first = openClient(server, name, { user: 'ann', socket })
  const second = openClient(server, `${name}/second`, { user: 'ann', socket })
  const other = openClient(server, `${name}/second`, { user: 'other' })
  await Promise.all([first.synced(), second.synced(), other.synced()])
  for (const client of [first, second, other]) show(client, client === other ? 'other' : 'ann')
  await Promise.all([whenPresent(presence, ['ann', 'witness']), whenPresent(awarenessOf(other), ['ann', 'other'])])
  first.provider.destroy()
  await whenPresent(presence, ['witness'])
  expect(namesOf(awarenessOf(other))).toEqual(['ann', 'other'])
  second.destroy()
  other.destroy()
  socket.destroy()
})

test('what is asked for with an awareness query is everybody, once', async () => {
  const client = await openFrameSocket(server, name, { user: 'ann' })
  client.send(stateMessage(77, 1, {}))
  client.send(numbers(name, MessageType.QueryAwareness))
  const answer = await client.message((message) => awarenessStates(message).some(([id]) => id === 77))
  expect(awarenessStates(answer).map(([id]) => id)).toContain(77)
  // The answer to what came behind it has come, too: nothing of its own presence was sent to it unasked.
  client.send(syncMessage(name, SyncType.Step1, Uint8Array.of(0)))
  const before = client.messages.length
  await client.message(
    (message) => client.messages.indexOf(message) >= before && syncPayload(message, SyncType.Step2) !== undefined,
  )
  expect(client.messages.filter((message) => awarenessStates(message).some(([id]) => id === 77))).toHaveLength(1)
  client.destroy()
})
