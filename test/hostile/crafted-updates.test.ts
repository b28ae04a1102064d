import * as encoding from 'lib0/encoding'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { SyncType } from '../../server/connection/frames.ts'
import type { FrameSocket } from '../support/frame-socket.ts'
import { openFrameSocket, syncMessage, syncPayload, syncStatus, updateMessage, updateOf } from '../support/messages.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { Witnesses } from './witnesses.ts'

let server: TestServer
let witnesses: Witnesses
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
  witnesses = await Witnesses.open(server)
})

beforeEach(() => {
  documents += 1
  name = `crafted/${documents}`
})

afterAll(async () => {
  witnesses.close()
  expect(await server.stop()).toBe(0)
})

/** Sends `update` and resolves with what the server said: that it is stored, or the code that it closed with. */
async function send(socket: FrameSocket, update: Uint8Array): Promise<boolean | number> {
  const before = socket.messages.length
  socket.send(updateMessage(name, update))
  const answer = socket.message(
    (message) => socket.messages.indexOf(message) >= before && syncStatus(message) !== undefined,
  )
  return Promise.race([socket.closed.then(({ code }) => code), answer.then((message) => syncStatus(message) === true)])
}

/** The document as somebody gets it who opens it now. */
async function current(on = server): Promise<Y.Doc> {
  const socket = await openFrameSocket(on, name, { user: 'reader' })
  const ydoc = new Y.Doc()
  for (const message of socket.messages) {
    // What is large comes in several updates, before the last one says that this is all.
    const update = syncPayload(message, SyncType.Update) ?? syncPayload(message, SyncType.Step2)
    if (update !== undefined) Y.applyUpdate(ydoc, update)
  }
  socket.destroy()
  return ydoc
}

/** Updates of one document, made in steps. */
function stepsOf(...edits: readonly ((ydoc: Y.Doc) => void)[]): Uint8Array[] {
  const ydoc = new Y.Doc()
  // Nobody observes it, and calling observers is what gets slow.
  ydoc.on('beforeObserverCalls', (transaction: Y.Transaction) => transaction.changed.clear())
  return edits.map((edit) => {
    const before = Y.encodeStateVector(ydoc)
    ydoc.transact(() => edit(ydoc))
    return Y.encodeStateAsUpdate(ydoc, before)
  })
}

function nested(ydoc: Y.Doc, depth: number): Y.Map<unknown>[] {
  const maps = [ydoc.getMap('root')]
  for (let level = 0; level < depth; level += 1) {
    const map = new Y.Map()
    maps.at(-1)?.set('k', map)
    maps.push(map)
  }
  return maps
}

test('changes in 8,000 types inside each other cost neither the time nor the memory of others', async () => {
  let maps: Y.Map<unknown>[] = []
  const [chain = new Uint8Array(), changes = new Uint8Array()] = stepsOf(
    (ydoc) => {
      maps = nested(ydoc, 8_000)
    },
    () => {
      for (const map of maps) map.set('v', 1)
    },
  )
  const mallory = await openFrameSocket(server, name)
  expect(await send(mallory, chain)).toBe(true)
  expect(await send(mallory, changes)).toBe(true)
  await witnesses.check()
  const ydoc = await current()
  expect(ydoc.store.clients.size).toBe(1)
  mallory.destroy()
})

test('[promise 1] updates that wait for others are kept, however many, and over a restart', async () => {
  const [first = new Uint8Array(), ...rest] = stepsOf(
    ...Array.from({ length: 5 }, (_, index) => (ydoc: Y.Doc) => ydoc.getText('text').insert(index, String(index))),
  )
  const ann = await openFrameSocket(server, name, { user: 'ann' })
  for (const update of rest.toReversed()) expect(await send(ann, update)).toBe(true)
  expect((await current()).getText('text').toString()).toBe('')
  await server.kill()
  server = await server.restart()
  const again = await openFrameSocket(server, name, { user: 'ann' })
  expect(await send(again, first)).toBe(true)
  expect((await current()).getText('text').toString()).toBe('01234')
  ann.destroy()
  again.destroy()
})

test('[promise 1] what an update brought before it failed is shown and stored alike', async () => {
  const valid = updateOf(77, (ydoc) => ydoc.getText('text').insert(0, 'half an update'))
  // All of its structs, and a delete set that ends in the middle.
  const broken = Buffer.concat([valid.subarray(0, -1), Uint8Array.of(1, 77, 1)])
  const mallory = await openFrameSocket(server, name)
  expect(await send(mallory, broken)).toBe(CloseCode.Malformed)
  const shown = (await current()).getText('text').toString()
  await server.kill()
  server = await server.restart()
  expect((await current()).getText('text').toString()).toBe(shown)
})

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push(128 | (rest % 128))
    rest = Math.floor(rest / 128)
  }
  return [...bytes, rest]
}

/** Yjs itself takes such updates and can't encode the document afterwards. */
describe('updates that make a document unreadable', () => {
  const poisons: Record<string, () => Uint8Array[]> = {
    'a subdocument whose options hold a guid that is no text': () => [
      encoding.encode((encoder) => {
        for (const number of [1, 1, 77, 0, 9, 1]) encoding.writeVarUint(encoder, number)
        encoding.writeVarString(encoder, 'root')
        encoding.writeVarString(encoder, 'guid')
        encoding.writeAny(encoder, { guid: null })
        encoding.writeVarUint(encoder, 0)
      }),
    ],
  }
  for (const [title, updates] of Object.entries(poisons)) {
    test(`${title}: it can still be opened, before and after a restart`, async () => {
      witnesses.close()
      witnesses = await Witnesses.open(server, `witness/${documents}-before`)
      const mallory = await openFrameSocket(server, name)
      for (const update of updates()) expect(await send(mallory, update)).toBe(CloseCode.Malformed)
      await witnesses.check()
      const opened = async () => {
        const socket = await openFrameSocket(server, name, { user: 'reader' })
        socket.destroy()
      }
      const before = await opened().catch((error: unknown) => error)
      witnesses.close()
      await server.stop()
      server = await server.restart()
      witnesses = await Witnesses.open(server, `witness/${documents}`)
      const after = await opened().catch((error: unknown) => error)
      expect([before, after]).toEqual([undefined, undefined])
    })
  }
})

test('state vectors of whatever size and order get an answer', async () => {
  const ann = await openFrameSocket(server, name, { user: 'ann' })
  await send(
    ann,
    updateOf(77, (ydoc) => ydoc.getText('text').insert(0, 'hello')),
  )
  const vector = (entries: readonly [number, number][]) =>
    Uint8Array.from([
      ...varint(entries.length),
      ...entries.flatMap(([client, clock]) => [...varint(client), ...varint(clock)]),
    ])
  const vectors: [number, number][][] = [
    [],
    [[77, 2]],
    [[77, 2 ** 53 - 1]],
    [[2 ** 53 - 1, 1]],
    [
      [77, 1],
      [77, 4],
    ],
    Array.from({ length: 100_000 }, (_, client) => [client + 1_000, 5]),
  ]
  for (const entries of vectors) {
    const before = ann.messages.length
    ann.send(syncMessage(name, SyncType.Step1, vector(entries)))
    await ann.message(
      (message) => ann.messages.indexOf(message) >= before && syncPayload(message, SyncType.Step2) !== undefined,
    )
  }
  ann.destroy()
})
