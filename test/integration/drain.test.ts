import { once } from 'node:events'
import { HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { type Front, startFront } from '../../scripts/support/front.ts'
import { SyncType } from '../../server/connection/frames.ts'
import { preloading } from '../fault/preload/preload.ts'
import { closeSessions, openSession, whenState, write } from '../support/client-session.ts'
import { openClient, openYWebsocket, whenDocument } from '../support/clients.ts'
import {
  authMessage,
  openFrameSocket,
  syncMessage,
  syncPayload,
  syncStatus,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'
import { TunnelClient } from '../support/tunnel.ts'

const DRAIN_MS = 6_000

const servers: TestServer[] = []
let front: Front | undefined

afterEach(async () => {
  closeSessions()
  await front?.close()
  front = undefined
  for (const server of servers.splice(0)) await server.kill()
})

async function start(options: Parameters<typeof startServer>[0]): Promise<TestServer> {
  const server = await startServer(options)
  servers.push(server)
  return server
}

/** A client that types one letter after the other into a document of its own. */
interface Typist {
  readonly ydoc: Y.Doc
  type(): void
  onClose(listener: () => void): void
  destroy(): void
}

const kinds: ((server: { url: string; socketUrl: string; port: number }, name: string) => Promise<Typist>)[] = [
  async (server, name) => {
    // As long between two tries as it has them by default.
    const socket = new HocuspocusProviderWebsocket({ url: server.socketUrl, WebSocketPolyfill: WebSocket })
    const client = openClient(server, name, { socket })
    await client.synced()
    return {
      ydoc: client.ydoc,
      type: () => client.text.insert(client.text.length, 'x'),
      onClose: (listener) => socket.on('close', listener),
      destroy() {
        client.destroy()
        socket.destroy()
      },
    }
  },
  async (server, name) => {
    const session = openSession(server, { as: name.replace('/', '-') })
    const document = session.document(name)
    await document.whenSynced
    return {
      ydoc: document.ydoc,
      type: () => write(document, 'x'),
      onClose: (listener) => void whenState(document.state, ({ status }) => status.kind === 'offline').then(listener),
      destroy: () => session.close(),
    }
  },
  async (server, name) => {
    const provider = openYWebsocket(server, name, name.replace('/', '-'))
    const text = provider.doc.getText('text')
    await new Promise<void>((resolve) => provider.once('sync', () => resolve()))
    return {
      ydoc: provider.doc,
      type: () => text.insert(text.length, 'x'),
      onClose: (listener) => provider.on('connection-close', (event) => event !== null && listener()),
      destroy: () => provider.destroy(),
    }
  },
]

test('[promise 5] a drained instance sends its clients away one after the other, and nothing of them is lost', async () => {
  const folder = temporaryFolder()
  const draining = await start({ folder, environment: { DRAIN_TIME: String(DRAIN_MS) } })
  const reserved = await start({ folder })
  await reserved.stop()
  front = await startFront([draining.port, reserved.port])
  const { port } = front
  const way = { port, url: `http://127.0.0.1:${port}`, socketUrl: `ws://127.0.0.1:${port}/collab` }
  const names = Array.from({ length: 60 }, (_, index) => `drain/${index}`)
  const typists = await Promise.all(
    names.map((name, index) => {
      // One in eight is of the client library, as many are y-websocket.
      const kind = kinds[index % 8] ?? kinds[0]
      if (kind === undefined) throw new Error('no kind of client')
      return kind(way, name)
    }),
  )
  const other = await reserved.restart()
  servers.push(other)
  while (front.ready.length < 2) await new Promise((resolve) => setTimeout(resolve, 20))

  const closedAt = new Map<number, number>()
  const firstClosed = new Promise<void>((resolve) => {
    typists.forEach((typist, index) => {
      typist.onClose(() => {
        if (!closedAt.has(index)) closedAt.set(index, performance.now())
        resolve()
      })
    })
  })
  const typing = setInterval(() => {
    for (const typist of typists) typist.type()
  }, 200)
  const startedAt = performance.now()
  const stopped = draining.stop()
  await firstClosed

  const health = await fetch(`${draining.url}/health/ready`)
  expect([health.status, await health.json()]).toEqual([
    503,
    { status: 'not ready', storage: 'writable', stopping: true },
  ])
  const refused = new WebSocket(draining.socketUrl)
  const [, answer] = await once(refused, 'unexpected-response')
  expect(answer.statusCode).toBe(503)
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  const tunnel = await fetch(`${draining.url}/api/sync`)
  expect([tunnel.status, tunnel.headers.has('retry-after')]).toEqual([503, true])
  expect(closedAt.size).toBeLessThan(names.length)

  expect(await stopped).toBe(0)
  clearInterval(typing)
  expect(closedAt.size).toBe(names.length)
  // Evenly would be twelve; whole fifths may stall on a busy machine.
  const fifths = [0, 0, 0, 0, 0]
  for (const at of closedAt.values()) {
    const fifth = Math.min(4, Math.floor(((at - startedAt) * 5) / DRAIN_MS))
    fifths[fifth] = (fifths[fifth] ?? 0) + 1
  }
  expect(Math.max(...fifths), `closed in each fifth: ${fifths}`).toBeLessThanOrEqual(30)

  const expected = typists.map(({ ydoc }) => ydoc.getText('text').toString())
  for (const [index, name] of names.entries()) {
    const reader = openClient(other, name)
    await whenDocument(reader.ydoc, () => reader.text.toString() === expected[index])
    reader.destroy()
  }
  for (const typist of typists) typist.destroy()
  expect(await other.stop()).toBe(0)
  const stored = await replayFromLog(folder, names)
  expect(names.map((name) => stored[name]?.getText('text').toString())).toEqual(expected)
  expect(expected.every((text) => text.length > 10)).toBe(true)
})

test('[promise 1] who is sent away has heard of the edits that waited for their commit, over HTTP too', async () => {
  const server = await start({
    environment: preloading(['slow-commits'], { SLOW_COMMIT_MS: '500', DRAIN_TIME: '1' }),
  })
  const socket = await openFrameSocket(server, 'drain/socket')
  const tunnel = await TunnelClient.open(server)
  await tunnel.send(
    authMessage('drain/tunnel', tokenFor('bob')),
    syncMessage('drain/tunnel', SyncType.Step1, Y.encodeStateVector(new Y.Doc())),
  )
  await tunnel.message((message) => syncPayload(message, SyncType.Step2) !== undefined)
  const update = updateOf(1, (ydoc) => ydoc.getText('text').insert(0, 'waits'))
  await tunnel.send(updateMessage('drain/tunnel', update)) // answered once it is taken
  socket.send(
    updateMessage(
      'drain/socket',
      updateOf(2, (ydoc) => ydoc.getText('text').insert(0, 'waits')),
    ),
  )
  await fetch(`${server.url}/health/live`) // by then the socket's is taken too
  const stopped = server.stop()
  for (const client of [socket, tunnel]) {
    expect((await client.closed).code).toBe(CloseCode.GoingAway)
    expect(client.messages.filter((message) => syncStatus(message) === true)).toHaveLength(1)
  }
  expect(await stopped).toBe(0)
})

test('a second signal ends a drain at once', async () => {
  const server = await start({ environment: { DRAIN_TIME: '3600000' } })
  const client = await openFrameSocket(server, 'drain/at-once')
  const stopped = server.stop()
  while ((await fetch(`${server.url}/health/ready`)).status !== 503);
  process.kill(server.pid, 'SIGINT')
  expect(await stopped).toBe(1)
  expect((await client.closed).code).toBe(1006)
})
