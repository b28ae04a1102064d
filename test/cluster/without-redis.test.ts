import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFailed, onTestFinished, test } from 'vitest'
import type { WebsocketProvider } from 'y-websocket'
import type * as Y from 'yjs'
import { messagesOf } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import { type Client, openClient, openYWebsocket, until, whenDocument } from '../support/clients.ts'
import { Instances } from '../support/instances.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { databaseUrl, temporaryFolder, tokenFor } from '../support/server.ts'

/** Without Redis an edit is with the other instances' clients within this, from when it was made. */
const PROMISED_MS = 2_000
/** So long a test waits for what never comes. */
const PATIENCE_MS = 15_000
const EDITS = 6
const DOCUMENT = 'notes/plan'
const ROOM = 'chat/notes/plan'

let postgres: TestPostgres
let redis: TestRedis
beforeAll(async () => {
  postgres = await startPostgres()
  redis = await startRedis()
})
afterAll(async () => {
  await redis.stop()
  await postgres.stop()
})

interface Reader {
  readonly name: string
  readonly ydoc: Y.Doc
}

/** Two instances; ann is at the first one; ben, and cem with y-websocket, are at the second one. */
interface Pair {
  readonly instances: Instances
  readonly ann: Client
  readonly ben: Client
  readonly cem: WebsocketProvider
}

async function startPair(database: string, sharesRedis: boolean): Promise<Pair> {
  const instances = await Instances.start(2, { databaseUrl: database, redis: sharesRedis ? redis : undefined })
  onTestFinished(() => instances.close())
  onTestFailed(() => console.error(`what the instances logged is in ${instances.keepLogs()}`))
  const [first, second] = instances.all.map(({ server }) => server)
  if (first === undefined || second === undefined) throw new Error('two were started')
  const [ann, ben] = [openClient(first, DOCUMENT, { user: 'ann' }), openClient(second, DOCUMENT, { user: 'ben' })]
  const cem = openYWebsocket(second, DOCUMENT, 'cem')
  onTestFinished(() => {
    for (const client of [ann, ben, cem]) client.destroy()
  })
  await Promise.all([
    ann.synced(),
    ben.synced(),
    until(
      () => cem.synced,
      (check) => cem.on('sync', check),
    ),
  ])
  return { instances, ann, ben, cem }
}

function readersOf({ ann, ben, cem }: Pair): Record<'ann' | 'ben' | 'cem', Reader> {
  return {
    ann: { name: 'ann', ydoc: ann.ydoc },
    ben: { name: 'ben', ydoc: ben.ydoc },
    cem: { name: 'cem', ydoc: cem.doc },
  }
}

/** Resolves once everybody has what anybody has. */
async function converged({ ann, ben, cem }: Pair): Promise<void> {
  const texts = () => new Set([ann.text, ben.text, cem.doc.getText('text')].map(String)).size
  await expect.poll(texts, { timeout: PATIENCE_MS }).toBe(1)
}

/** How long an edit of `writer` takes to be with all of `readers`, ms. Rejects when it is lost, or gives up. */
async function delayOf(writer: Client, readers: readonly Reader[], edit: string): Promise<number> {
  const startedAt = performance.now()
  writer.text.insert(writer.text.length, edit)
  const missing = () => readers.filter(({ ydoc }) => !ydoc.getText('text').toString().includes(edit))
  const arrived = readers.map(({ ydoc }) => whenDocument(ydoc, () => ydoc.getText('text').toString().includes(edit)))
  await Promise.race([Promise.all(arrived), setTimeout(PATIENCE_MS)])
  const names = missing().map(({ name }) => name)
  const { unsyncedChanges } = writer.provider
  expect(names, `who misses "${edit}"; its writer has ${unsyncedChanges} unsynced changes`).toEqual([])
  return performance.now() - startedAt
}

/** Fails unless edits reach the other instance's clients in time, both ways. */
async function expectInTime(pair: Pair, when = 'without Redis'): Promise<void> {
  const { ann, ben } = pair
  const delays: number[] = []
  const reader = readersOf(pair)
  for (let edit = 0; edit < EDITS; edit++) {
    const [writer, readers] = edit % 2 === 0 ? [ann, [reader.ben, reader.cem]] : [ben, [reader.ann]]
    delays.push(await delayOf(writer, readers, `${when} ${edit}, `))
    await setTimeout(137) // at another time of whatever happens once a second
  }
  console.log(`${when}: ${delays.map(Math.round).join(', ')} ms`)
  expect(Math.max(...delays), `${when}, the longest delay in ms`).toBeLessThan(PROMISED_MS)
}

/** The same for a message, posted over HTTP at one instance and read at the other. */
async function expectMessageInTime({ instances }: Pair): Promise<void> {
  const [first, second] = instances.all.map(({ server }) => server)
  if (first === undefined || second === undefined) throw new Error('two were started')
  const reader = openClient(second, segmentName(ROOM, 1), { user: 'dan' })
  onTestFinished(() => reader.destroy())
  await reader.synced()
  const startedAt = performance.now()
  const response = await fetch(`${first.url}/api/rooms/${encodeURIComponent(ROOM)}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'hello' }),
  })
  expect(response.status).toBe(201)
  await Promise.race([whenDocument(reader.ydoc, () => messagesOf(reader.ydoc).length === 1), setTimeout(PATIENCE_MS)])
  expect(messagesOf(reader.ydoc).toJSON()).toMatchObject([{ text: 'hello', seq: 1 }])
  expect(performance.now() - startedAt).toBeLessThan(PROMISED_MS)
}

test('[promise 4] with Redis, without it, and with it again, edits reach the clients of other instances', async () => {
  const pair = await startPair(await postgres.createDatabase(), true)
  const { ann, ben } = pair
  const reader = readersOf(pair)
  for (let edit = 0; edit < EDITS; edit++) await delayOf(ann, [reader.ben, reader.cem], `with Redis ${edit}, `)

  await redis.stop()
  await expectInTime(pair)
  await expectMessageInTime(pair)

  // What is on its way at this moment is missed by Redis, and is there all the same, without another edit.
  ann.text.insert(0, 'just before, ')
  const back = redis.start()
  ben.text.insert(0, 'meanwhile, ')
  await back
  await converged(pair)
  for (const edit of ['just before, ', 'meanwhile, ']) expect(ann.text.toString().split(edit)).toHaveLength(2)
  for (let edit = 0; edit < EDITS; edit++) await delayOf(ben, [reader.ann], `with Redis again ${edit}, `)
})

test('[promise 4] an instance that alone is cut off from Redis neither misses nor withholds anything', async () => {
  const pair = await startPair(await postgres.createDatabase(), true)
  const link = pair.instances.all[1]?.redisLink ?? expect.unreachable()
  link.cut()
  await expectInTime(pair, 'cut off')
  link.mend()
  await converged(pair)
  link.stall()
  await expectInTime(pair, 'stalled')
  link.mend() // what was on its way arrives late, and again
  await converged(pair)
  for (const when of ['cut off', 'stalled']) {
    for (let edit = 0; edit < EDITS; edit++) expect(pair.ann.text.toString().split(`${when} ${edit}, `)).toHaveLength(2)
  }
})

describe('with no Redis at all', () => {
  test.each([
    ['Postgres', () => postgres.createDatabase()],
    ['one SQLite file', async () => databaseUrl(temporaryFolder())],
  ])('[promise 4] instances on %s see what the others write', async (_storage, place) => {
    const pair = await startPair(await place(), false)
    await expectInTime(pair)
    await expectMessageInTime(pair)
    await converged(pair)
  })
})
