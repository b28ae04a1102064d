import { afterEach, expect, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { type Client, openClient, whenDocument } from '../support/clients.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { Load } from './load.ts'
import { makeSmallDisk, type SmallDisk } from './small-disk.ts'

const document = 'notes/full'
let disk: SmallDisk | undefined

afterEach(() => disk?.remove())

test('[promise 1] a full disk acknowledges nothing and loses nothing', { timeout: 120_000 }, async () => {
  disk = makeSmallDisk()
  console.log(`made with ${disk.kind}`)
  const { folder, wrapper } = disk
  let server = await startServer({
    folder,
    environment: { COMMIT_TIMEOUT: '1500' },
    ...(wrapper.length > 0 ? { wrapper } : {}),
  })
  // Real clients, which keep what they write and come back.
  const users = ['bob', 'cleo', 'dora']
  const clients = users.map((user) => openClient(server, document, { user }))
  for (const client of clients) await client.synced()
  write(clients, 'before')
  for (const client of clients) await whenDocument(client.ydoc, () => entriesOf(client).length === users.length)
  // And some that write all the time.
  const load = await Load.start(server, {
    documents: [document, 'notes/other'],
    writersPerDocument: 2,
    window: 8,
    label: 'load',
    firstClientId: 1000,
  })
  await load.whenAcknowledged(500)

  const lateReader = await RawClient.open(server, 'notes/late', { user: 'eve' })
  const late = await RawClient.open(server, 'notes/late', { user: 'finn' })
  disk.fill(server.pid)
  late.ydoc.getMap('late').set('written on a full disk', true)
  write(clients, 'while full')
  expect(new Set(await load.ended())).toEqual(new Set([CloseCode.TryAgainLater]))
  expect((await late.closed).code).toBe(CloseCode.TryAgainLater)
  expect((await lateReader.closed).code).toBe(CloseCode.TryAgainLater)
  expect(late.acknowledged).toBe(0)
  expect(lateReader.ydoc.getMap('late').size).toBe(0)
  expect(await readiness(server)).toEqual({ status: 503, storage: 'failing' })
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200)
  expect(server.output()).toContain('documents are forgotten')

  disk.free(server.pid)
  await expect.poll(() => readiness(server), { timeout: 30_000 }).toEqual({ status: 200, storage: 'writable' })
  // Forgotten means forgotten: memory claims nothing that the log does not have.
  expect((await RawClient.open(server, 'notes/late', { user: 'gil' })).ydoc.getMap('late').size).toBe(0)
  write(clients, 'afterwards')
  for (const client of clients) {
    await whenDocument(client.ydoc, () => entriesOf(client).length === 3 * users.length)
  }
  const nothing = { acknowledged: 0, seen: 0 }
  expect((await load.lossesOn(server)).counts).toEqual(nothing)
  expect(await entriesOn(server)).toEqual(expectedEntries)
  for (const client of clients) expect(entriesOf(client).sort()).toEqual(expectedEntries)

  await server.kill()
  server = await server.restart()
  expect((await load.lossesOn(server)).counts).toEqual(nothing)
  expect(await entriesOn(server)).toEqual(expectedEntries)
  for (const client of clients) client.destroy()
  expect(await server.stop()).toBe(0)
  expect((await load.lossesInLog(folder)).counts).toEqual(nothing)

  function write(writers: readonly Client[], when: string): void {
    for (const [index, client] of writers.entries()) {
      client.ydoc.getArray('kept').push([`${when} by ${users[index]}`])
    }
  }
})

const expectedEntries = ['before', 'while full', 'afterwards']
  .flatMap((when) => ['bob', 'cleo', 'dora'].map((user) => `${when} by ${user}`))
  .sort()

function entriesOf({ ydoc }: Pick<Client, 'ydoc'>): unknown[] {
  return ydoc.getArray('kept').toArray()
}

async function entriesOn(server: TestServer): Promise<unknown[]> {
  const fresh = await RawClient.open(server, document, { user: 'hugo' })
  await fresh.close()
  return entriesOf(fresh).sort()
}

async function readiness(server: TestServer): Promise<{ status: number; storage: unknown }> {
  const response = await fetch(`${server.url}/health/ready`)
  const { storage } = (await response.json()) as { storage: unknown }
  return { status: response.status, storage }
}
