import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import { Load } from '../fault/load.ts'
import { type Client, openClient } from '../support/clients.ts'
import { password, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { createRandom, seedsFor } from '../support/random.ts'
import { runCommand } from '../support/run-command.ts'
import { startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'

const nothing = { acknowledged: 0, seen: 0 }

/** No test depends on how fast the machine is. */
const patient = { timeout: 20_000 }

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

async function call(server: TestServer, path: string, body?: object): Promise<{ status: number; json: unknown }> {
  const response = await fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  return { status: response.status, json: await response.json() }
}

/** Sends an update in two parts; resolves with what each was answered. */
async function upload(server: TestServer, document: string, update: Uint8Array<ArrayBuffer>): Promise<number[]> {
  const id = randomUUID()
  const parts = [update.subarray(0, 5), update.subarray(5)]
  const statuses: number[] = []
  for (const [index, body] of parts.entries()) {
    const path = `/api/documents/${encodeURIComponent(document)}/sync?upload=${id}&part=${index + 1}&of=2`
    const headers = { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/octet-stream' }
    statuses.push((await fetch(`${server.url}${path}`, { method: 'POST', headers, body })).status)
  }
  return statuses
}

async function textOn(server: TestServer, document: string): Promise<string> {
  const fresh = openClient(server, document, { user: 'fresh' })
  await fresh.synced()
  const text = fresh.text.toString()
  fresh.destroy()
  return text
}

test('documents and chat live in Postgres, commands work on it, and its password is shown nowhere', async () => {
  const url = await postgres.createDatabase()
  const folder = temporaryFolder()
  let server = await startServer({ environment: { DATABASE_URL: url, TMPDIR: folder, DOCUMENT_SEARCH: 'on' } })
  const [ann, bob] = ['ann', 'bob'].map((user) => openClient(server, 'notes/plan', { user })) as [Client, Client]
  await Promise.all([ann.synced(), bob.synced()])
  ann.text.insert(0, 'hello ')
  await ann.saved()
  await expect.poll(() => bob.text.toString(), patient).toBe('hello ')
  bob.text.insert(6, 'world')
  await bob.saved()
  for (const client of [ann, bob]) client.destroy()
  const posted = await call(server, '/api/rooms/chat%2Fnotes%2Fplan/messages', { text: 'Élan, the well-known launch' })
  expect(posted.status).toBe(201)
  const uploaded = new Y.Doc()
  uploaded.getText('text').insert(0, 'in parts')
  expect(await upload(server, 'notes/uploaded', new Uint8Array(Y.encodeStateAsUpdate(uploaded)))).toEqual([202, 200])

  await server.kill()
  server = await server.restart()
  expect(await textOn(server, 'notes/plan')).toBe('hello world')
  expect(await textOn(server, 'notes/uploaded')).toBe('in parts')
  const search = async () => (await call(server, '/api/search/documents?q=WORLD hel')).json
  const excerpt = ['hello', ' ', 'world'].map((text) => ({ text, ...(text !== ' ' && { marked: true }) }))
  // What the killed one may have been making is claimed for a minute.
  const found = { documents: [{ name: 'notes/plan', position: 2, excerpt }] }
  await expect.poll(search, { timeout: 80_000 }).toMatchObject(found)
  expect(readdirSync(folder)).toEqual([expect.stringMatching(/^coweave-uploads-/)]) // what the killed one has left
  expect(readdirSync('.').filter((name) => name.startsWith('postgres'))).toEqual([]) // no path made of the URL
  const page = { messages: [expect.objectContaining({ text: 'Élan, the well-known launch', seq: 1 })] }
  expect((await call(server, '/api/rooms/chat%2Fnotes%2Fplan/messages')).json).toMatchObject(page)
  expect((await call(server, '/api/search/messages?q=well-known%20elan%20laun')).json).toMatchObject(page)
  expect((await call(server, '/api/search/messages?q=known-well')).json).toMatchObject({ messages: [] })

  const [check, inspect, backup] = await Promise.all([
    runCommand(url, 'check'),
    runCommand(url, 'inspect', 'notes/plan'),
    runCommand(url, 'backup', '/tmp/never-made'),
  ])
  expect([check, inspect, backup].map(({ exitCode }) => exitCode)).toEqual([0, 0, 1])
  expect(check.output).toContain('no damage found')
  expect(JSON.parse(inspect.output)).toMatchObject({ authors: { ann: 1, bob: 1 } })
  expect(backup.errors).toContain('pg_dump')
  expect(await server.stop()).toBe(0)
  for (const { output, errors } of [check, inspect, backup]) expect(output + errors).not.toContain(password)
  expect(server.output()).toContain('fsync = off')
  expect(server.output()).not.toContain(password)
})

test.each(seedsFor([], 1))(
  '[promise 1] kill -9 of the server loses nothing that was acknowledged or seen (rerun with SEED=%i)',
  async (seed) => {
    const random = createRandom(seed)
    const url = await postgres.createDatabase()
    let server = await startServer({ environment: { DATABASE_URL: url } })
    const loads: Load[] = []
    for (let round = 0; round < 3; round++) {
      const load = await Load.start(server, {
        documents: ['notes/kept', `round/${round}`],
        writersPerDocument: 3,
        window: 8 + random.int(24),
        label: `round-${round}`,
        firstClientId: 1000 * (round + 1),
      })
      loads.push(load)
      await load.whenAcknowledged(100 + random.int(500))
      await server.kill()
      await load.ended()
      server = await server.restart()
      expect((await load.lossesOn(server)).counts).toEqual(nothing)
    }
    expect(await server.stop()).toBe(0)
    for (const load of loads) {
      expect((await load.lossesInLog(url)).counts).toEqual(nothing)
      expect(load.seen).toBeGreaterThan(0)
    }
  },
)

test('[promise 1] while Postgres is away nothing is lost, readiness is red, and all goes on by itself', async () => {
  const url = await postgres.createDatabase()
  const environment = { DATABASE_URL: url, COMMIT_TIMEOUT: '1000' }
  const server = await startServer({ environment })
  const readiness = async () => (await fetch(`${server.url}/health/ready`)).status
  expect(await readiness()).toBe(200)

  await postgres.crash() // with nobody connected
  await expect.poll(readiness, patient).toBe(503)
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200)
  await postgres.start()
  await expect.poll(readiness, patient).toBe(200)

  const ann = openClient(server, 'notes/one')
  await ann.synced()
  ann.text.insert(0, 'before ')
  await ann.saved()
  await postgres.crash()
  ann.text.insert(7, 'while it is away')
  await expect.poll(readiness, patient).toBe(503)
  await expect.poll(() => server.output(), patient).toContain('documents are forgotten')
  expect(ann.provider.unsyncedChanges).toBeGreaterThan(0)
  await postgres.start()
  await expect.poll(readiness, patient).toBe(200)
  await ann.saved()
  expect(await textOn(server, 'notes/one')).toBe('before while it is away')
  ann.destroy()
  expect(server.output()).not.toContain(password)
  expect(await server.stop()).toBe(0)
})
