import * as encoding from 'lib0/encoding'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { SyncType } from '../../server/connection/frames.ts'
import { type Client, openClient, whenDocument } from '../support/clients.ts'
import type { FrameSocket } from '../support/frame-socket.ts'
import {
  awarenessMessage,
  awarenessUpdate,
  openFrameSocket,
  openYFrameSocket,
  syncMessage,
  syncStatus,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let ann: Client
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.stop())

beforeEach(async () => {
  documents += 1
  name = `own/${documents}`
  ann = openClient(server, name, { user: 'ann' })
  await ann.synced()
  ann.text.insert(0, 'by ann')
  await ann.saved()
  return () => ann.destroy()
})

/** What `edit` changes in a copy of ann's document that uses her client id, as she would have sent it. */
function forge(edit: (ydoc: Y.Doc) => void, client = ann.ydoc.clientID): Uint8Array {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(ann.ydoc))
  const before = Y.encodeStateVector(copy)
  copy.clientID = client
  edit(copy)
  return Y.encodeStateAsUpdate(copy, before)
}

const forged = () => forge((ydoc) => ydoc.getText('text').insert(6, ' and not by ann'))

/** Ann goes on writing, and everybody agrees on what she wrote. */
async function expectUnharmed(expected = 'by ann'): Promise<void> {
  ann.text.insert(ann.text.length, '!')
  await ann.saved()
  const fresh = openClient(server, name, { user: 'carol' })
  await fresh.synced()
  expect(fresh.text.toString()).toBe(`${expected}!`)
  expect(Y.encodeStateAsUpdate(fresh.ydoc)).toEqual(Y.encodeStateAsUpdate(ann.ydoc))
  fresh.destroy()
}

async function stored(socket: FrameSocket): Promise<boolean> {
  return syncStatus(await socket.message((message) => syncStatus(message) !== undefined)) === true
}

describe("[promise 3] new structs under another user's Yjs client id", () => {
  const ways: Record<string, (socket: FrameSocket, update: Uint8Array) => void> = {
    'an update': (socket, update) => socket.send(updateMessage(name, update)),
    'an answer to a sync step': (socket, update) => socket.send(syncMessage(name, SyncType.Step2, update)),
  }
  const updates: Record<string, () => Uint8Array> = {
    'a forged struct': forged,
    'a forged struct far ahead of its owner': () => {
      const ahead = forge((ydoc) => ydoc.getText('text').insert(6, 'x'.repeat(50)))
      const copy = new Y.Doc()
      Y.applyUpdate(copy, Y.encodeStateAsUpdate(ann.ydoc))
      Y.applyUpdate(copy, ahead)
      const before = Y.encodeStateVector(copy)
      copy.clientID = ann.ydoc.clientID
      copy.getText('text').insert(0, 'later')
      return Y.encodeStateAsUpdate(copy, before)
    },
    'a forged struct behind good ones': () =>
      Y.mergeUpdates([updateOf(1, (ydoc) => ydoc.getText('text').insert(0, 'by mallory')), forged()]),
    'a forged struct in front of good ones': () =>
      Y.mergeUpdates([forged(), updateOf(2 ** 32 - 1, (ydoc) => ydoc.getText('text').insert(0, 'by mallory'))]),
    'forged garbage-collected structs': () =>
      encoding.encode((encoder) => {
        const { clientID } = ann.ydoc
        // One client with one struct: a GC of length 3 at her clock; no deletions.
        for (const number of [1, 1, clientID, Y.getState(ann.ydoc.store, clientID), 0, 3, 0]) {
          encoding.writeVarUint(encoder, number)
        }
      }),
  }

  for (const [what, update] of Object.entries(updates)) {
    for (const [how, send] of Object.entries(ways)) {
      test(`close with 4409 and change nothing: ${what} in ${how}`, async () => {
        const mallory = await openFrameSocket(server, name)
        send(mallory, update())
        expect((await mallory.closed).code).toBe(CloseCode.ClientIdTaken)
        await expectUnharmed()
      })
    }
  }

  test('close with 4409 over y-websocket, too', async () => {
    const mallory = await openYFrameSocket(server, name)
    mallory.send(updateMessage(null, forged()))
    expect((await mallory.closed).code).toBe(CloseCode.ClientIdTaken)
    await expectUnharmed()
  })

  test('are refused when a block of the same client behind them hides them', async () => {
    const known = Y.encodeStateAsUpdate(ann.ydoc)
    const mine = updateOf(3, (ydoc) => ydoc.getText('text').insert(0, 'by mallory'))
    // The blocks of three updates behind each other, each without its count of clients and its empty delete set.
    const hidden = Buffer.concat([
      Uint8Array.of(3),
      forged().subarray(1, -1),
      mine.subarray(1, -1),
      known.subarray(1, -1),
      Uint8Array.of(0),
    ])
    const mallory = await openFrameSocket(server, name)
    mallory.send(updateMessage(name, hidden))
    expect((await mallory.closed).code).toBe(CloseCode.Malformed)
    await expectUnharmed()
  })

  test('are refused after a restart and after a crash, too', async () => {
    ann.destroy()
    for (const end of ['stop', 'kill'] as const) {
      await server[end]()
      server = await server.restart()
      const mallory = await openFrameSocket(server, name)
      mallory.send(updateMessage(name, forged()))
      expect((await mallory.closed).code).toBe(CloseCode.ClientIdTaken)
    }
    ann = openClient(server, name, { user: 'ann', ydoc: ann.ydoc })
    await ann.synced()
    await expectUnharmed()
  })

  test('never reach the log', async () => {
    const mallory = await openFrameSocket(server, name)
    mallory.send(updateMessage(name, updates['a forged struct behind good ones']?.() ?? new Uint8Array(0)))
    await mallory.closed
    await server.stop()
    const { [name]: replayed } = await replayFromLog(server.folder, [name])
    expect(replayed?.getText('text').toString()).toBe('by ann')
    expect([...(replayed?.store.clients.keys() ?? [])]).toEqual([ann.ydoc.clientID])
    server = await server.restart()
  })

  test('are refused under a client id that is only shown in presence so far', async () => {
    const bob = openClient(server, name, { user: 'bob' })
    await bob.synced()
    bob.provider.setAwarenessField('user', { name: 'bob' })
    await seen(bob.ydoc.clientID)
    const mallory = await openFrameSocket(server, name)
    mallory.send(
      updateMessage(
        name,
        forge((ydoc) => ydoc.getText('text').insert(0, 'x'), bob.ydoc.clientID),
      ),
    )
    expect((await mallory.closed).code).toBe(CloseCode.ClientIdTaken)
    bob.text.insert(6, ' and bob')
    await bob.saved()
    await whenDocument(ann.ydoc, () => ann.text.toString() === 'by ann and bob')
    await expectUnharmed('by ann and bob')
    bob.destroy()
  })

  /** Resolves once ann sees presence of `client`. */
  function seen(client: number): Promise<void> {
    const { awareness } = ann.provider
    return new Promise((resolve) => {
      const check = () => {
        if (awareness?.getStates().has(client)) resolve()
      }
      awareness?.on('change', check)
      check()
    })
  }
})

describe('[promise 3] what needs no other client id', () => {
  test("deletions of others' text are fine in free documents", async () => {
    const mallory = await openFrameSocket(server, name)
    mallory.send(
      updateMessage(
        name,
        forge((ydoc) => ydoc.getText('text').delete(0, 3)),
      ),
    )
    expect(await stored(mallory)).toBe(true)
    await whenDocument(ann.ydoc, () => ann.text.toString() === 'ann')
    await expectUnharmed('ann')
  })

  test("an answer that repeats others' structs is fine", async () => {
    const mallory = await openFrameSocket(server, name)
    mallory.send(syncMessage(name, SyncType.Step2, Y.encodeStateAsUpdate(ann.ydoc)))
    expect(await stored(mallory)).toBe(true)
    await expectUnharmed()
  })

  test('a user may write with one client id in several tabs', async () => {
    const tab = await openFrameSocket(server, name, { user: 'ann' })
    tab.send(updateMessage(name, forged()))
    expect(await stored(tab)).toBe(true)
    await whenDocument(ann.ydoc, () => ann.text.toString() === 'by ann and not by ann')
  })

  test('an id that somebody shows on the other document is free on this one', async () => {
    const other = await openFrameSocket(server, `${name}/other`)
    other.send(awarenessMessage(`${name}/other`, awarenessUpdate([{ client: 4711, clock: 1, state: '{}' }])))
    const mallory = await openFrameSocket(server, name, { user: 'eve' })
    mallory.send(
      updateMessage(
        name,
        forge((ydoc) => ydoc.getText('text').insert(0, '> '), 4711),
      ),
    )
    expect(await stored(mallory)).toBe(true)
    await whenDocument(ann.ydoc, () => ann.text.toString() === '> by ann')
  })

  test('a token with `relay: true` may send what others wrote', async () => {
    const relay = await openFrameSocket(server, name, { token: tokenFor('relay', { relay: true }) })
    relay.send(updateMessage(name, forged()))
    expect(await stored(relay)).toBe(true)
    await whenDocument(ann.ydoc, () => ann.text.toString() === 'by ann and not by ann')
  })
})

test('[promise 3] CLIENT_IDS=relay lets everybody send what others wrote', async () => {
  const relaying = await startServer({ environment: { CLIENT_IDS: 'relay' } })
  const owner = openClient(relaying, name, { user: 'ann', ydoc: ann.ydoc })
  await owner.saved()
  const mallory = await openFrameSocket(relaying, name)
  mallory.send(updateMessage(name, forged()))
  expect(await stored(mallory)).toBe(true)
  owner.destroy()
  expect(await relaying.stop()).toBe(0)
})
