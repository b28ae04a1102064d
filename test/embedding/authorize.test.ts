import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { SyncType } from '../../server/connection/frames.ts'
import type { Authorize, Level } from '../../server/index.ts'
import { openClient } from '../support/clients.ts'
import { type Embedded, PREFIX, startEmbedded } from '../support/embedded.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import {
  authMessage,
  deniedReason,
  syncMessage,
  syncPayload,
  syncStatus,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { databaseUrl, temporaryFolder, tokenFor } from '../support/server.ts'
import { TunnelClient } from '../support/tunnel.ts'

/** How soon a revocation must have cut off everybody, on all instances. */
const CUT_OFF_MS = 5_000

/** The product's database: who may do what, by `<user> <document>`. What it fails with, where it is away. */
const rights = new Map<string, Level>()
let answer: Authorize = () => undefined
const fromRights: Authorize = ({ user }, document) => rights.get(`${user} ${document}`)

let redis: TestRedis
/** Two that tell each other over Redis and ask seldom, and two that have no Redis and ask often, or nearly always. */
let [one, other, alone, hasty]: Embedded[] = []
const at = (server: Embedded | undefined): Embedded => server ?? expect.unreachable()

beforeAll(async () => {
  redis = await startRedis()
  const DATABASE_URL = databaseUrl(temporaryFolder())
  const authorize: Authorize = (asker, document) => answer(asker, document)
  const told = { DATABASE_URL, REDIS_URL: redis.url, AUTHORIZE_TIME: 600_000, AUTHORIZE_TIMEOUT: 3_000 }
  one = await startEmbedded({ settings: told, authorize })
  other = await startEmbedded({ settings: told, authorize })
  alone = await startEmbedded({
    settings: { DATABASE_URL, AUTHORIZE_TIME: 2_000, AUTHORIZE_TIMEOUT: 1_000 },
    authorize,
  })
  hasty = await startEmbedded({ settings: { DATABASE_URL, AUTHORIZE_TIME: 100, AUTHORIZE_TIMEOUT: 1_000 }, authorize })
  for (const { url } of [one, other]) {
    await vi.waitFor(async () => expect(await (await fetch(`${url}/metrics`)).text()).toContain('relay_up 1'))
  }
})
beforeEach(() => {
  answer = fromRights
})
afterAll(async () => {
  await Promise.all([one, other, alone, hasty].map((server) => server?.stop()))
  await redis.stop()
})

type Outcome = 'in' | 'refused' | 'later'

function outcomeOf(code: number): Outcome {
  if (code === CloseCode.Forbidden || code === 403) return 'refused'
  return code === CloseCode.TryAgainLater || code === 503 ? 'later' : 'in'
}

/** What becomes of a client that opens a document over `socket`. */
async function openingOf(socket: FrameSocket | TunnelClient, name: string): Promise<Outcome> {
  const opening = [authMessage(name, tokenFor('ann')), syncMessage(name, SyncType.Step1, Uint8Array.of(0))]
  if (socket instanceof TunnelClient) await socket.send(...opening)
  else socket.sendTogether(...opening)
  const message = await socket
    .message((each) => deniedReason(each) !== undefined || syncPayload(each, SyncType.Step2) !== undefined)
    .catch(() => undefined)
  const outcome =
    message === undefined ? outcomeOf((await socket.closed).code) : deniedReason(message) ? 'refused' : 'in'
  socket.destroy()
  return outcome
}

const edit = updateOf(4711, (ydoc) => ydoc.getText('text').insert(0, 'x'))
const octets = { method: 'POST', body: edit, type: 'application/octet-stream' }

const reading: Record<string, (server: Embedded, name: string) => Promise<Outcome>> = {
  'a socket': async (server, name) => openingOf(await FrameSocket.open(server, { path: `${PREFIX}/collab` }), name),
  'the events of the HTTP fallback': async (server, name) => openingOf(await TunnelClient.open(server), name),
  'a y-websocket': async (server, name) => {
    const socket = await openYjs(server, name)
    const isIn = socket.message((message) => syncPayload(message, SyncType.Step2, false) !== undefined)
    const outcome = await isIn.then(
      (): Outcome => 'in',
      async () => outcomeOf((await socket.closed).code),
    )
    socket.destroy()
    return outcome
  },
  'server-sent events': async (server, name) => {
    const response = await openEvents(server, name)
    await response.body?.cancel()
    return outcomeOf(response.status)
  },
  ...request('GET sync', (name) => documentPath(name, '/sync')),
  ...request('GET text', (name) => documentPath(name, '?format=text')),
  ...request('GET history', (name) => documentPath(name, '/history')),
  ...request('GET versions', (name) => documentPath(name, '/versions')),
  ...request('GET messages', (name) => `/api/rooms/${encodeURIComponent(`chat/${name}`)}/messages`),
  ...request('search in a room', (name) => `/api/search/messages?q=x&room=${encodeURIComponent(`chat/${name}`)}`),
}

const writing = {
  ...request('PUT', (name) => documentPath(name), { method: 'PUT', body: 'x' }),
  ...request('PATCH', (name) => documentPath(name), { method: 'PATCH', body: { content: 'x' } }),
  ...request('POST sync', (name) => documentPath(name, '/sync'), octets),
  ...request('upload', (name) => documentPath(name, `/sync?upload=${randomUUID()}&part=1&of=2`), octets),
  ...request('POST a message', (name) => `/api/rooms/${encodeURIComponent(`chat/${name}`)}/messages`, {
    method: 'POST',
    body: { text: 'x' },
  }),
  ...request('POST restore', (name) => documentPath(name, '/restore'), { method: 'POST', body: { position: 1 } }),
}

const deleting = request('DELETE', (name) => documentPath(name), { method: 'DELETE' })
const everything = { ...reading, ...writing, ...deleting }

function request(title: string, path: (name: string) => string, options: RestOptions = {}): typeof reading {
  return {
    [title]: async (server, name) =>
      outcomeOf((await rest(server, path(name), { user: 'ann', access: { '**': 'moderate' }, ...options })).status),
  }
}

async function outcomes(which: typeof reading, name: string): Promise<Record<string, Outcome>> {
  const entries = await Promise.all(
    Object.entries(which).map(async ([title, use]) => [title, await use(at(one), name)] as const),
  )
  return Object.fromEntries(entries)
}

const all = (which: object, outcome: Outcome) => Object.fromEntries(Object.keys(which).map((title) => [title, outcome]))

test('every way in asks the product, whatever the token grants', async () => {
  expect(await outcomes(everything, 'ways/refused')).toEqual(all(everything, 'refused'))
  rights.set('ann ways/read', 'read')
  expect(await outcomes(reading, 'ways/read')).toEqual(all(reading, 'in'))
  expect(await outcomes(writing, 'ways/read')).toEqual(all(writing, 'refused'))
  rights.set('ann ways/open', 'moderate')
  expect(await outcomes(reading, 'ways/open')).toEqual(all(reading, 'in'))
  expect(await outcomes(writing, 'ways/open')).toEqual(all(writing, 'in'))
  expect(await outcomes(deleting, 'ways/open')).toEqual(all(deleting, 'in'))
})

test.each<[string, Authorize]>([
  ['fails', () => Promise.reject(new Error('the database is away'))],
  ['throws', () => expect.unreachable()],
  ['is late', () => new Promise(() => {})],
])('a product that %s says "try again later", and neither lets in nor refuses', async (title, failing) => {
  answer = () => 'write'
  await rest(at(one), documentPath(`failed/${title}`, '/sync'), octets)
  answer = failing
  const name = `failing/${title}`
  expect(await outcomes(everything, name)).toEqual(all(everything, 'later'))
  expect((await rest(at(one), '/api/documents', { user: 'dora' })).status).toBe(503)
  rights.set(`ann ${name}`, 'read')
  answer = fromRights
  expect(await reading['a socket']?.(at(one), name)).toBe('in')
})

test('lists hold what the product lets be read; it is told what the token grants', async () => {
  const names = ['list/a', 'list/b', 'list/c']
  answer = () => 'moderate'
  for (const name of names) {
    await rest(at(one), documentPath(name, '/sync'), octets)
    const room = `/api/rooms/${encodeURIComponent(`chat/${name}`)}/messages`
    await rest(at(one), room, { method: 'POST', body: { text: `about ${name}` } })
  }
  answer = ({ granted }, document) => (document === 'list/b' ? undefined : granted)
  const access = { 'list/a': 'read', 'list/b': 'write' }
  const { body } = await rest(at(one), '/api/documents?prefix=list/', { user: 'cleo', access })
  expect(body).toMatchObject({ documents: [{ name: 'list/a' }] })
  const search = () => rest(at(one), '/api/search/documents?q=x&prefix=list/', { user: 'cleo', access })
  await expect.poll(async () => (await search()).body).toMatchObject({ documents: [{ name: 'list/a' }] })
  const found = await rest(at(one), '/api/search/messages?q=about', { user: 'cleo', access })
  expect(found.body).toMatchObject({ messages: [{ room: 'chat/list/a' }] })
})

test('a revocation cuts off everybody on all instances, and nothing written after it is taken', async () => {
  const name = 'revoked/plan'
  rights.set(`ann ${name}`, 'write').set(`ben ${name}`, 'write')
  const [here, there] = [await openFrames(at(one), name), await openFrames(at(other), name)]
  const chat = await openFrames(at(other), `chat/${name}`)
  const ben = await openFrames(at(other), name, 'ben')
  const events = await openEvents(at(other), name)
  const yjs = await openYjs(at(other), name)
  await yjs.message((message) => syncPayload(message, SyncType.Step2, false) !== undefined)
  here.send(updateMessage(name, edit))
  await here.message((message) => syncStatus(message) === true)
  // While the product thinks about it, what comes waits.
  const thinking = Promise.withResolvers<Level | undefined>()
  answer = ({ user }) => (user === 'ann' ? thinking.promise : 'write')
  const rechecked = at(one).coweave.recheck({ user: 'ann', document: 'revoked/**' })
  const started = performance.now()
  here.send(
    updateMessage(
      name,
      updateOf(4712, (ydoc) => ydoc.getText('text').insert(0, 'too late')),
    ),
  )
  for (let round = 0; round < 3; round += 1) await rest(at(one), documentPath(name, '/sync'), { user: 'ben' })
  thinking.resolve(undefined)
  await rechecked
  expect((await here.closed).code).toBe(CloseCode.Forbidden)
  for (const socket of [there, chat, yjs]) expect((await socket.closed).code).toBe(CloseCode.Forbidden)
  await events.text()
  expect(performance.now() - started).toBeLessThan(CUT_OFF_MS)
  ben.send(
    updateMessage(
      name,
      updateOf(4713, (ydoc) => ydoc.getText('more').insert(0, 'still here')),
    ),
  )
  await ben.message((message) => syncStatus(message) === true)
  const { text } = await rest(at(one), documentPath(name, '?format=yjs-json'), { user: 'ben' })
  expect(text).toContain('still here')
  expect(text).not.toContain('too late')
  ben.destroy()
})

test('who was let in and lost it while the body came writes nothing', async () => {
  const name = 'slow/plan'
  rights.set(`ann ${name}`, 'write')
  const asked = Promise.withResolvers<void>()
  answer = (asker, document) => {
    asked.resolve()
    return fromRights(asker, document)
  }
  const sending = httpRequest(at(other).url + documentPath(name, '/sync'), {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/octet-stream' },
  })
  sending.write(edit.subarray(0, 3))
  await asked.promise
  rights.delete(`ann ${name}`)
  await at(one).coweave.recheck({ user: 'ann' })
  await vi.waitFor(async () =>
    expect((await rest(at(other), documentPath(name, '/history'), { user: 'ann' })).status).toBe(403),
  )
  sending.end(edit.subarray(3))
  const [response] = await once(sending, 'response')
  response.resume()
  expect(response.statusCode).toBe(403)
  rights.set(`ben ${name}`, 'read')
  expect((await rest(at(one), documentPath(name, '/history'), { user: 'ben' })).body).toMatchObject({ sessions: [] })
})

test('who was let in and lost it while the server looked gives no position a name, nor marks it as seen', async () => {
  const name = 'slow/versions'
  answer = () => 'write'
  await rest(at(one), documentPath(name, '/sync'), octets)
  for (const [path, body] of [
    ['/versions', { name: 'too late' }],
    ['/seen', { position: 1 }],
  ] as const) {
    // It is older than it counts when it comes, so that it is asked for again.
    let asked = 0
    answer = async () => {
      asked += 1
      const isFirst = asked === 1
      await setTimeout(150)
      return isFirst ? 'write' : undefined
    }
    const user = `dan${path}`
    expect((await rest(at(hasty), documentPath(name, path), { method: 'POST', user, body })).status).toBe(403)
    expect(asked).toBe(2)
    answer = () => 'read'
    const { body: stored } = await rest(at(one), documentPath(name, path), { user })
    expect(stored).toEqual(path === '/seen' ? { position: 0 } : { versions: [] })
  }
})

test('who loses a document is shown there no longer', async () => {
  const name = 'shown/plan'
  rights.set(`ann ${name}`, 'read').set(`ben ${name}`, 'read')
  const shown = () => rest(at(other), documentPath(name, '/presence'), { user: 'ben' })
  const showing = { method: 'PUT', user: 'ann', body: { ttl: 300_000 } }
  expect((await rest(at(one), documentPath(name, '/presence'), showing)).status).toBe(204)
  await expect.poll(async () => (await shown()).body).toMatchObject({ present: [{ user: 'ann' }] })
  rights.delete(`ann ${name}`)
  await at(other).coweave.recheck({ user: 'ann' })
  await expect.poll(async () => (await shown()).body, { timeout: CUT_OFF_MS }).toEqual({ present: [] })
})

test('without Redis, and without being told, a revocation is noticed while answers count', async () => {
  const name = 'unnoticed/plan'
  rights.set(`ann ${name}`, 'write')
  const socket = await openFrames(at(alone), name)
  // A moment of failure is no revocation.
  answer = () => Promise.reject(new Error('the database is away for a moment'))
  await expect.poll(async () => (await rest(at(alone), documentPath(name, '/sync'), { user: 'cleo' })).status).toBe(503)
  answer = fromRights
  socket.send(updateMessage(name, edit))
  await socket.message((message) => syncStatus(message) === true)
  rights.delete(`ann ${name}`)
  const started = performance.now()
  expect((await socket.closed).code).toBe(CloseCode.Forbidden)
  expect(performance.now() - started).toBeLessThan(CUT_OFF_MS)
  expect((await rest(at(alone), documentPath(name, '/sync'), { ...octets, user: 'ann' })).status).toBe(403)
})

test('where the product stays away, those connected are told to try again later', async () => {
  rights.set('ann away/plan', 'write')
  const sockets = [await openFrames(at(alone), 'away/plan'), await openFrames(at(one), 'away/plan')]
  answer = () => new Promise(() => {})
  await at(one).coweave.recheck()
  for (const socket of sockets) expect((await socket.closed).code).toBe(CloseCode.TryAgainLater)
})

test('a lowered level makes readers of writers, and a raised one brings what they wrote meanwhile', async () => {
  const name = 'lowered/plan'
  rights.set(`ann ${name}`, 'write').set(`ben ${name}`, 'read')
  const [ann, ben] = [openClient(at(one), name), openClient(at(other), name, { user: 'ben' })]
  await Promise.all([ann.synced(), ben.synced()])
  ann.text.insert(0, 'before ')
  await ann.saved()
  rights.set(`ann ${name}`, 'read')
  await at(other).coweave.recheck({ user: 'ann' })
  await expect.poll(() => ann.provider.authorizedScope).toBe('readonly')
  ann.text.insert(0, 'meanwhile ')
  const stored = async () => (await rest(at(one), documentPath(name, '?format=yjs-json'), { user: 'ben' })).text
  await expect.poll(stored).toContain('before')
  expect(await stored()).not.toContain('meanwhile')
  expect(ben.text.toString()).toBe('before ')
  rights.set(`ann ${name}`, 'write')
  await at(one).coweave.recheck({ document: name })
  await expect.poll(() => ann.provider.authorizedScope).toBe('read-write')
  await expect.poll(() => ben.text.toString()).toBe('meanwhile before ')
  for (const client of [ann, ben]) client.destroy()
})

/** Resolves once the document is open. */
async function openFrames(server: Embedded, name: string, user = 'ann'): Promise<FrameSocket> {
  const socket = await FrameSocket.open(server, { path: `${PREFIX}/collab` })
  socket.send(authMessage(name, tokenFor(user)))
  socket.send(syncMessage(name, SyncType.Step1, Uint8Array.of(0)))
  await socket.message((message) => syncPayload(message, SyncType.Step2) !== undefined)
  return socket
}

async function openYjs({ port }: Embedded, name: string): Promise<FrameSocket> {
  const path = `${PREFIX}/yjs/${encodeURI(name)}?token=${tokenFor('ann')}`
  const socket = await FrameSocket.open({ port }, { path })
  socket.send(syncMessage(null, SyncType.Step1, Uint8Array.of(0)))
  return socket
}

function openEvents({ url }: Embedded, name: string): Promise<Response> {
  const headers = { authorization: `Bearer ${tokenFor('ann')}`, accept: 'text/event-stream' }
  return fetch(url + documentPath(name, '/events'), { headers })
}
