import { afterEach, expect, test, vi } from 'vitest'
import { MessageType } from '../../server/connection/frames.ts'
import { preloading } from '../fault/preload/preload.ts'
import { openClient, whenDocument } from '../support/clients.ts'
import type { FrameSocket } from '../support/frame-socket.ts'
import { authMessage, numbers, openFrameSocket, syncStatus, updateMessage, updateOf } from '../support/messages.ts'
import { isSoak } from '../support/random.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

const KiB = 1024
const LONG = '600000'

vi.setConfig({ testTimeout: isSoak ? 600_000 : 60_000 })

const servers: TestServer[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) expect(await server.stop()).toBe(0)
})

async function start(environment: Record<string, string>, folder?: string): Promise<TestServer> {
  const server = await startServer({ environment, ...(folder !== undefined && { folder }) })
  servers.push(server)
  return server
}

async function documentsOf({ url }: TestServer): Promise<{ all: number; idle: number; loads: number }> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  return {
    all: value('coweave_documents'),
    idle: value('coweave_idle_documents'),
    loads: value('coweave_document_loads_total'),
  }
}

function whenDocuments(server: TestServer, expected: { all: number; idle: number }): Promise<void> {
  return vi.waitFor(async () => expect(await documentsOf(server)).toMatchObject(expected), { timeout: 20_000 })
}

/** Opens a document, writes if there is something to write, and leaves. */
async function visit(server: TestServer, name: string, text = ''): Promise<string> {
  const client = openClient(server, name)
  await client.synced()
  client.text.insert(0, text)
  await client.saved()
  client.destroy()
  return client.text.toString()
}

test('who comes back soon finds the document as it was left, without loading it', async () => {
  const server = await start({ IDLE_DOCUMENT_TIME: LONG })
  await visit(server, 'idle/one', 'kept')
  await whenDocuments(server, { all: 1, idle: 1 })
  const back = openClient(server, 'idle/one')
  await back.synced()
  expect(back.text.toString()).toBe('kept')
  expect(await documentsOf(server)).toEqual({ all: 1, idle: 0, loads: 1 })
  // And what happens in it goes on as ever.
  const other = openClient(server, 'idle/one', { user: 'bob' })
  await other.synced()
  back.text.insert(4, ' and used')
  await whenDocument(other.ydoc, () => other.text.toString() === 'kept and used')
  back.destroy()
  other.destroy()
  await whenDocuments(server, { all: 1, idle: 1 })
})

test('a document leaves memory when its time is up, and not while it is open again', async () => {
  const server = await start({ IDLE_DOCUMENT_TIME: '300' })
  await visit(server, 'idle/left', 'left')
  await visit(server, 'idle/used', 'used')
  const user = openClient(server, 'idle/used')
  await user.synced()
  await whenDocuments(server, { all: 1, idle: 0 })
  user.text.insert(4, ' on')
  await user.saved()
  user.destroy()
  await whenDocuments(server, { all: 0, idle: 0 })
  expect(await visit(server, 'idle/used')).toBe('used on')
})

test('who comes back after an unload notices nothing, and brings what was edited meanwhile', async () => {
  const server = await start({ IDLE_DOCUMENT_TIME: '50' })
  const client = openClient(server, 'idle/offline')
  await client.synced()
  client.text.insert(0, 'before, ')
  await client.saved()
  client.socket.disconnect()
  await whenDocuments(server, { all: 0, idle: 0 })
  client.text.insert(client.text.length, 'offline, ')
  await visit(server, 'idle/offline', 'meanwhile, ')
  await whenDocuments(server, { all: 0, idle: 0 })
  await client.socket.connect()
  await whenDocument(client.ydoc, () => client.text.toString() === 'meanwhile, before, offline, ')
  await client.saved()
  client.text.insert(client.text.length, 'after')
  await client.saved()
  client.destroy()
  await whenDocuments(server, { all: 0, idle: 0 })
  expect(await visit(server, 'idle/offline')).toBe('meanwhile, before, offline, after')
})

test('above the watermark, those that were left first are unloaded first', async () => {
  const server = await start({ IDLE_DOCUMENT_TIME: LONG, IDLE_DOCUMENT_BYTES: String(400 * KiB) })
  const text = 'x'.repeat(100 * KiB)
  // Three have room. The first is used again, and so is left last.
  for (const [index, name] of ['idle/a', 'idle/b', 'idle/c'].entries()) {
    await visit(server, name, text)
    await whenDocuments(server, { all: index + 1, idle: index + 1 })
  }
  await visit(server, 'idle/a')
  await whenDocuments(server, { all: 3, idle: 3 })
  await visit(server, 'idle/d', text)
  await whenDocuments(server, { all: 3, idle: 3 })
  const { loads } = await documentsOf(server)
  for (const name of ['idle/a', 'idle/c', 'idle/d']) await visit(server, name)
  expect((await documentsOf(server)).loads).toBe(loads)
  expect(await visit(server, 'idle/b')).toBe(text)
  expect((await documentsOf(server)).loads).toBe(loads + 1)
  // One that has no room even alone doesn't push the others out.
  await whenDocuments(server, { all: 3, idle: 3 })
  await visit(server, 'idle/large', text.repeat(5))
  await whenDocuments(server, { all: 3, idle: 3 })
})

test('an idle document has what another instance wrote meanwhile', async () => {
  const one = await start({ IDLE_DOCUMENT_TIME: LONG })
  const other = await start({}, one.folder)
  await visit(one, 'idle/shared', 'here')
  await whenDocuments(one, { all: 1, idle: 1 })
  await visit(other, 'idle/shared', 'there, ')
  expect(await visit(one, 'idle/shared')).toBe('there, here')
  expect((await documentsOf(one)).loads).toBe(1)
})

test('what was left before it was on disk is forgotten when storage fails for too long', async () => {
  const slow = preloading(['slow-commits'], { SLOW_COMMIT_MS: '6000' })
  const server = await start({ ...slow, IDLE_DOCUMENT_TIME: LONG, COMMIT_TIMEOUT: '3000' })
  const client = openClient(server, 'idle/uncommitted')
  await client.synced()
  client.text.insert(0, 'never acknowledged')
  await vi.waitFor(async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text()
    expect(text).toMatch(/^coweave_updates_total 1$/m)
  })
  client.destroy()
  await whenDocuments(server, { all: 0, idle: 0 })
})

test('[promise 5] documents that are opened one after the other take a bounded amount of memory', async () => {
  const server = await start({ IDLE_DOCUMENT_TIME: LONG, IDLE_DOCUMENT_BYTES: String(2 * 1024 * KiB) })
  const count = isSoak ? 5_000 : 250
  const token = tokenFor('ann')
  const socket = await openFrameSocket(server, 'idle/other', { user: 'ann' })
  for (let index = 0; index < count; index += 1) await visitWith(socket, `idle/many/${index}`, token, index + 1)
  // 16 KiB each at least, however little is in them.
  await vi.waitFor(async () => expect((await documentsOf(server)).all).toBeLessThanOrEqual(129))
  expect((await documentsOf(server)).all).toBeGreaterThan(100)
  for (const index of [0, count / 2, count - 1]) expect(await visit(server, `idle/many/${index}`)).toBe('text')
  socket.destroy()
})

/** As visit(), but on a socket that stays. */
async function visitWith(socket: FrameSocket, name: string, token: string, clientId: number): Promise<void> {
  const before = socket.messages.length
  const update = updateOf(clientId, (ydoc) => ydoc.getText('text').insert(0, 'text'))
  socket.sendTogether(authMessage(name, token), updateMessage(name, update))
  await socket.message(() => socket.messages.slice(before).some((message) => syncStatus(message) === true))
  socket.send(numbers(name, MessageType.Close))
}
