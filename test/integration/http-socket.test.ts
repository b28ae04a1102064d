import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { HttpCloseEvent, HttpSocket } from '../../client/http-socket.ts'
import { CloseCode } from '../../model/close-codes.ts'
import { SyncType } from '../../server/connection/frames.ts'
import { openClient, openSocket, whenDocument } from '../support/clients.ts'
import { authMessage, syncMessage, syncPayload, syncStatus, updateMessage, updateOf } from '../support/messages.ts'
import { type ProxyOptions, startProxy } from '../support/proxy.ts'
import { createRandom, seedsFor } from '../support/random.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.stop())

beforeEach(() => {
  documents += 1
  name = `http-socket/${documents}`
})

/** What a socket did, in order: `open`, `error`, `close <code> <reason>`; messages apart. */
class Recorder {
  readonly socket: HttpSocket
  readonly events: string[] = []
  readonly messages: Uint8Array[] = []

  constructor(url: string) {
    this.socket = new HttpSocket(url)
    onTestFinished(() => this.socket.close())
    for (const type of ['open', 'error']) this.socket.addEventListener(type, () => this.events.push(type))
    this.socket.addEventListener('message', (event) => {
      if (event instanceof MessageEvent) this.messages.push(new Uint8Array(event.data))
    })
    this.socket.addEventListener('close', (event) => {
      if (event instanceof HttpCloseEvent) this.events.push(`close ${event.code} ${event.reason}`.trim())
    })
  }

  async until(condition: () => boolean): Promise<void> {
    await expect.poll(condition, { timeout: 20_000, interval: 5 }).toBe(true)
  }

  get acknowledged(): number {
    return this.messages.filter((message) => syncStatus(message) === true).length
  }
}

async function proxied(options: ProxyOptions) {
  const proxy = await startProxy(server, options)
  onTestFinished(() => proxy.close())
  return proxy
}

async function openDocument(socketUrl: string): Promise<Recorder> {
  const recorder = new Recorder(socketUrl)
  await recorder.until(() => recorder.events.length > 0)
  recorder.socket.send(new Uint8Array(authMessage(name, tokenFor('ann'))))
  recorder.socket.send(new Uint8Array(syncMessage(name, SyncType.Step1, Uint8Array.of(0))))
  await recorder.until(() => recorder.messages.some((message) => syncPayload(message, SyncType.Step2) !== undefined))
  return recorder
}

const letter = (client: number) =>
  updateMessage(
    name,
    updateOf(client, (ydoc) => ydoc.getText('text').insert(0, 'x')),
  )

test('requests whose answers get lost are repeated, and nothing is taken twice or skipped', async () => {
  let requests = 0
  const losesAnswer = ({ method }: { method?: string | undefined }) => {
    if (method === 'POST') requests += 1
    return method === 'POST' && requests % 3 === 0
  }
  const proxy = await proxied({ losesAnswer })
  const recorder = await openDocument(proxy.socketUrl)
  for (let update = 1; update <= 10; update += 1) {
    recorder.socket.send(new Uint8Array(letter(update)))
    await recorder.until(() => recorder.acknowledged === update)
  }
  expect(requests).toBeGreaterThan(10)
  // An answer to one more: had any been taken twice, its acknowledgement would have come before.
  recorder.socket.send(new Uint8Array(letter(11)))
  await recorder.until(() => recorder.acknowledged >= 11)
  expect(recorder.acknowledged).toBe(11)
  expect(recorder.events).toEqual(['open'])
})

test.each(seedsFor([], 1))(
  'a stock provider goes on through a proxy that loses answers, and over another way after it (rerun with SEED=%i)',
  async (seed) => {
    const random = createRandom(seed)
    const proxy = await startProxy(server, { losesAnswer: ({ method }) => method === 'POST' && random.chance(0.2) })
    const ann = openClient(proxy, name, { socket: openSocket(proxy, HttpSocket) })
    const bob = openClient(server, name, { user: 'bob' })
    await Promise.all([ann.synced(), bob.synced()])
    for (let round = 1; round <= 20; round += 1) {
      ann.text.insert(ann.text.length, 'a')
      bob.text.insert(0, 'b')
      await whenDocument(bob.ydoc, () => bob.text.toString().split('a').length === round + 1)
    }
    await ann.saved()
    await proxy.close()
    ann.text.insert(0, 'offline')
    await expect.poll(() => ann.socket.status).toBe('disconnected')
    ann.socket.destroy()
    const again = openClient(server, name, { ydoc: ann.ydoc, socket: openSocket(server, HttpSocket) })
    await whenDocument(bob.ydoc, () => bob.text.toString().includes('offline'))
    expect(bob.text.toString()).toBe(ann.text.toString())
    again.socket.destroy()
    bob.destroy()
  },
)

test('what was sent before close() still arrives', async () => {
  const recorder = await openDocument(server.socketUrl)
  recorder.socket.send(
    new Uint8Array(
      updateMessage(
        name,
        updateOf(1, (ydoc) => ydoc.getText('text').insert(0, 'x'.repeat(600_000))),
      ),
    ),
  )
  recorder.socket.close()
  expect(recorder.socket.readyState).toBe(HttpSocket.CLOSING)
  recorder.socket.send(new Uint8Array(letter(2)))
  await recorder.until(() => recorder.events.includes('close 1000'))
  expect(recorder.socket.readyState).toBe(HttpSocket.CLOSED)
  const reader = openClient(server, name)
  await reader.synced()
  expect(reader.text.length).toBe(600_000)
  reader.destroy()
})

describe('ends with', () => {
  test("the server's code and reason", async () => {
    const recorder = await openDocument(server.socketUrl)
    recorder.socket.send(new Uint8Array(updateMessage(name, Uint8Array.of(1, 2, 3))))
    await recorder.until(() => recorder.events.length === 2)
    expect(recorder.events[1]).toMatch(new RegExp(`^close ${CloseCode.Malformed} .`))
  })

  test('1006 when the stream breaks', async () => {
    const proxy = await startProxy(server)
    const recorder = await openDocument(proxy.socketUrl)
    await proxy.close()
    await recorder.until(() => recorder.events.length === 2)
    expect(recorder.events[1]).toMatch(/^close 1006/)
  })

  test.each<[string, RequestListener, string]>([
    [
      'a sign-in page',
      (_request, response) => response.setHeader('content-type', 'text/html').end('<h1>'),
      'no event stream',
    ],
    ['an error', (_request, response) => response.writeHead(403).end(), 'HTTP 403'],
    [
      'a stream that says nothing and ends',
      (_request, response) => response.setHeader('content-type', 'text/event-stream').end(),
      'the connection ended',
    ],
  ])('error and 1006 for %s', async (_title, listener, reason) => {
    const other = createServer(listener).listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => {
      other.close()
    })
    const address = other.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const recorder = new Recorder(`ws://127.0.0.1:${address.port}/collab`)
    expect(() => recorder.socket.send(Uint8Array.of(1))).toThrow('connecting')
    await recorder.until(() => recorder.events.length === 2)
    expect(recorder.events).toEqual(['error', `close 1006 ${reason}`])
  })
})

test.each([
  ['/collab', '/api/sync'],
  ['/', '/api/sync'],
  ['', '/api/sync'],
  ['/collab?schema=3', '/api/sync?schema=3'],
  ['/team/a/collab/?schema=3', '/team/a/api/sync?schema=3'],
])('a WebSocket at %s stands for %s', async (path, expected) => {
  const asked: (string | undefined)[] = []
  const other = createServer((request, response) => {
    asked.push(request.url)
    response.writeHead(503).end()
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  onTestFinished(() => {
    other.close()
  })
  const address = other.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const recorder = new Recorder(`ws://127.0.0.1:${address.port}${path}`)
  await recorder.until(() => recorder.events.length === 2)
  expect(asked).toEqual([expected])
})
