import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import type { DocumentUpdate, MessageChange, Seed } from '../../server/index.ts'
import { openClient, openSocket, whenDocument } from '../support/clients.ts'
import { type Embedded, PREFIX, startEmbedded } from '../support/embedded.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import { startPostgres } from '../support/postgres.ts'
import { isSoak } from '../support/random.ts'
import { replayFromLog } from '../support/replay.ts'
import { documentPath, rest } from '../support/rest.ts'
import { databaseUrl, temporaryFolder, testSecret, tokenFor } from '../support/server.ts'
import { seedBy } from './seeds.ts'

const updates: DocumentUpdate[] = []
const messages: MessageChange[] = []
let seed: Seed = seedBy('here')
let server: Embedded
const folder = temporaryFolder()

beforeAll(async () => {
  server = await startEmbedded({
    settings: { DATABASE_URL: databaseUrl(folder), SEED_TIMEOUT: 300, IDLE_DOCUMENT_TIME: 0 },
    seed: (document) => seed(document),
    onUpdate(update) {
      updates.push(update)
      if (update.document === 'notes/failing') throw new Error('a hook that fails')
    },
    onMessage: (change) => messages.push(change),
  })
})
afterAll(() => server.stop())

async function startOther(database: string, name = 'there'): Promise<{ process: ChildProcess; socketUrl: string }> {
  const script = fileURLToPath(new URL('children/seeded.ts', import.meta.url))
  const child = spawn(process.execPath, [script, name, database, testSecret], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  return { process: child, socketUrl: `ws://127.0.0.1:${Number(line)}/collab` }
}

/** Has clients open new documents on both instances in the same moment. Returns whose seeds they began with. */
async function race(instances: readonly { readonly socketUrl: string }[], place: string): Promise<Set<string>> {
  const rounds = isSoak ? 100 : 12
  const sockets = instances.map((instance) => openSocket(instance))
  const winners = new Set<string>()
  const names = Array.from({ length: rounds }, (_, round) => `seeded/${round}`)
  const seen = new Map<string, string>()
  for (const name of names) {
    const clients = sockets.map((socket) => openClient({ socketUrl: '' }, name, { socket }))
    await Promise.all(clients.map((client) => client.synced()))
    const [text = ''] = clients.map((client) => client.text.toString())
    expect(clients.map((client) => client.text.toString())).toEqual(clients.map(() => text))
    const [, winner = 'nobody'] = /^<seeded\/\d+ by (\w+)>$/.exec(text) ?? []
    winners.add(winner)
    seen.set(name, text)
    for (const client of clients) client.destroy()
  }
  for (const socket of sockets) socket.destroy()
  const replayed = await replayFromLog(place, names)
  for (const name of names) expect(replayed[name]?.getText('text').toString()).toBe(seen.get(name))
  return winners
}

test('[promise 4] two processes that open a new document at once begin it once, with one seed for both', async () => {
  const there = await startOther(databaseUrl(folder))
  const winners = await race([server, there], folder)
  expect([...winners].filter((winner) => winner !== 'here' && winner !== 'there')).toEqual([])
  there.process.kill('SIGTERM')
  await once(there.process, 'exit')
})

test.runIf(isSoak)(
  '[promise 4] so they do on Postgres',
  async () => {
    const postgres = await startPostgres()
    const url = await postgres.createDatabase()
    const both = [await startOther(url, 'here'), await startOther(url)]
    const winners = await race(both, url)
    expect([...winners].filter((winner) => winner !== 'here' && winner !== 'there')).toEqual([])
    for (const { process } of both) {
      process.kill('SIGTERM')
      await once(process, 'exit')
    }
    await postgres.stop()
  },
  300_000,
)

test('a seed is the server’s own edit: shown over REST, never given to what was written before', async () => {
  seed = () => undefined
  const first = openClient(server, 'seeded/late')
  await first.synced()
  first.text.insert(0, 'written')
  await first.saved()
  first.destroy()
  seed = seedBy('here')
  const again = openClient(server, 'seeded/late')
  await again.synced()
  expect(again.text.toString()).toBe('written')
  again.destroy()
  const whole = await rest(server, documentPath('seeded/rest', '/sync'))
  expect(whole.status).toBe(200)
  expect((await rest(server, documentPath('seeded/rest', '?format=text&field=text'))).text).toContain('by here')
  const { body } = await rest(server, documentPath('seeded/rest', '/history'))
  expect(body).toMatchObject({ sessions: [{ user: '' }] })
})

test.each<[string, Seed]>([
  ['throws', () => Promise.reject(new Error('the template is away'))],
  ['is late', () => new Promise(() => {})],
  ['is no update', () => Uint8Array.of(1, 2, 3)],
  ['is a part of a document', () => partOf()],
])('a seed that %s is "try again later", and no empty document', async (title, failing) => {
  const name = `seeded/failing ${title}`
  seed = failing
  const path = `${PREFIX}/yjs/${encodeURIComponent(name)}?token=${tokenFor('ann')}`
  const socket = await FrameSocket.open(server, { path })
  expect((await socket.closed).code).toBe(CloseCode.TryAgainLater)
  expect((await rest(server, documentPath(name, '/sync'))).status).toBe(503)
  seed = seedBy('here')
  const client = openClient(server, name)
  await client.synced()
  expect(client.text.toString()).toBe(`<${name} by here>`)
  client.destroy()
})

test('hooks are told of what was committed, in order, and one that fails is in nobody’s way', async () => {
  const [client, other] = [openClient(server, 'notes/failing'), openClient(server, 'notes/failing', { user: 'ben' })]
  await Promise.all([client.synced(), other.synced()])
  for (const letter of 'hello') client.text.insert(client.text.length, letter)
  await whenDocument(other.ydoc, () => other.text.toString() === 'hello')
  const told = () => updates.filter(({ document }) => document === 'notes/failing')
  const replica = () => {
    const ydoc = new Y.Doc()
    for (const { update } of told()) Y.applyUpdate(ydoc, update)
    return ydoc.getText('text').toString()
  }
  await expect.poll(replica).toBe('hello')
  expect(told().map(({ position }) => position)).toEqual(told().map((_, index) => index + 1))
  expect(told()[0]).toMatchObject({ author: 'ann' })
  for (const each of [client, other]) each.destroy()

  const room = '/api/rooms/chat%2Fnotes%2Ffailing/messages'
  const posted = await rest(server, room, { user: 'ann', method: 'POST', body: { text: 'well said' } })
  await expect
    .poll(() => messages)
    .toMatchObject([
      {
        room: 'chat/notes/failing',
        isNew: true,
        message: { text: 'well said', author: 'ann', seq: 1, id: posted.body.id },
      },
    ])
  expect(updates.filter(({ document }) => document.startsWith('chat/'))).toEqual([])
})

/** An update that lacks what came before it. */
function partOf(): Uint8Array {
  const ydoc = new Y.Doc()
  ydoc.getText('text').insert(0, 'a')
  const before = Y.encodeStateVector(ydoc)
  ydoc.getText('text').insert(1, 'b')
  return Y.encodeStateAsUpdate(ydoc, before)
}
