import { afterEach, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { SyncType } from '../../server/connection/frames.ts'
import { openClient } from '../support/clients.ts'
import { FrameSocket, sendHttp, upgradeRequest } from '../support/frame-socket.ts'
import {
  authMessage,
  awarenessMessage,
  awarenessUpdate,
  openFrameSocket,
  syncMessage,
  syncPayload,
  syncStatus,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { TunnelClient } from '../support/tunnel.ts'

const KiB = 1024
const name = 'rates/document'

let server: TestServer | undefined

afterEach(async () => {
  expect(await server?.stop()).toBe(0)
  server = undefined
})

async function start(environment: Record<string, string> = {}): Promise<TestServer> {
  server = await startServer({ environment })
  return server
}

/** Updates of one writer, each of which needs those before it. */
function updatesOf(client: number, count: number, length = 10): Uint8Array[] {
  const ydoc = new Y.Doc()
  ydoc.clientID = client
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  for (let index = 0; index < count; index += 1) ydoc.getText('text').insert(0, 'x'.repeat(length))
  return updates
}

function acknowledged({ messages }: { readonly messages: readonly Uint8Array[] }): number {
  return messages.filter((message) => syncStatus(message) === true).length
}

async function openTunnel(running: TestServer, user: string): Promise<TunnelClient> {
  const tunnel = await TunnelClient.open(running)
  await tunnel.send(authMessage(name, tokenFor(user)), syncMessage(name, SyncType.Step1, Uint8Array.of(0)))
  await tunnel.message((message) => syncPayload(message, SyncType.Step2) !== undefined)
  return tunnel
}

describe('[promise 5] whoever sends too much is read more slowly, and nothing is lost', () => {
  const slow: Record<string, Record<string, string>> = {
    'messages of a connection': { CONNECTION_MESSAGES_PER_SECOND: '50' },
    'bytes of a connection': { CONNECTION_BYTES_PER_SECOND: String(20 * KiB) },
    'messages of a user': { USER_MESSAGES_PER_SECOND: '50' },
    'bytes of a user': { USER_BYTES_PER_SECOND: String(20 * KiB) },
  }

  test.each(Object.entries(slow))('%s', async (_, environment) => {
    const running = await start(environment)
    const socket = await openFrameSocket(running, name, { user: 'ann' })
    const startedAt = performance.now()
    // Over the limit for some three seconds; the socket carries 60 KiB at once.
    for (const update of updatesOf(1, 200, 400)) socket.send(updateMessage(name, update))
    await socket.message(() => acknowledged(socket) === 200)
    expect(performance.now() - startedAt).toBeGreaterThan(1_000)

    const reader = openClient(running, name, { user: 'bob' })
    await reader.synced()
    expect(reader.text.length).toBe(200 * 400)
    reader.destroy()
    socket.destroy()
  })

  test.each(Object.entries(slow))('over HTTP: %s', async (_, environment) => {
    const running = await start(environment)
    const tunnel = await openTunnel(running, 'ann')
    const startedAt = performance.now()
    const updates = updatesOf(1, 200, 400)
    for (let from = 0; from < updates.length; from += 20) {
      const piece = updates.slice(from, from + 20).map((update) => updateMessage(name, update))
      expect((await tunnel.send(...piece)).status).toBe(204)
    }
    await tunnel.until(() => acknowledged(tunnel) === 200)
    expect(performance.now() - startedAt).toBeGreaterThan(1_000)
    tunnel.destroy()
  })

  test('the limit of a user is that of all their connections, and nobody else’s', async () => {
    const running = await start({ USER_MESSAGES_PER_SECOND: '50' })
    const writers = await Promise.all([1, 2, 3, 4].map(() => openFrameSocket(running, name, { user: 'ann' })))
    const startedAt = performance.now()
    for (const [index, writer] of writers.entries())
      for (const update of updatesOf(index + 1, 50)) writer.send(updateMessage(name, update))
    const other = openClient(running, name, { user: 'bob' })
    await other.synced()
    other.ydoc.getMap('map').set('key', 'value')
    await other.saved()
    expect(writers.map(acknowledged).reduce((sum, count) => sum + count)).toBeLessThan(200)
    await Promise.all(writers.map((writer) => writer.message(() => acknowledged(writer) === 50)))
    expect(performance.now() - startedAt).toBeGreaterThan(1_000)
    other.destroy()
    for (const writer of writers) writer.destroy()
  })

  test('a request that writes is told when to come back', async () => {
    const running = await start({ USER_BYTES_PER_SECOND: String(20 * KiB) })
    const post = (update: Uint8Array, user = 'ann') =>
      fetch(`${running.url}/api/documents/${encodeURIComponent(name)}/sync`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${tokenFor(user)}`, 'Content-Type': 'application/octet-stream' },
        body: new Uint8Array(update),
      })
    const [first = new Uint8Array(), second = new Uint8Array()] = updatesOf(1, 2, 100 * KiB)
    // One that is over the limit alone gets through, or it never would.
    expect((await post(first)).status).toBe(200)
    const refused = await post(second)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(await refused.json()).toMatchObject({ code: 'http/too-many-requests' })
    expect(
      (
        await post(
          updateOf(2, (ydoc) => ydoc.getMap('map').set('key', 1)),
          'bob',
        )
      ).status,
    ).toBe(200)
    let status = refused.status
    while (status === 429) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      status = (await post(second)).status
    }
    expect(status).toBe(200)
  })
})

describe('what is too many closes with 4429', () => {
  test('connections of an address, over both ways; a proxy tells whose they are', async () => {
    const running = await start({ MAX_CONNECTIONS_PER_ADDRESS: '3', TRUSTED_PROXIES: '1' })
    const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })
    const first = await FrameSocket.open(running, from('10.0.0.1'))
    const second = await FrameSocket.open(running, from('10.0.0.1'))
    const tunnel = await TunnelClient.open(running, from('10.0.0.1'))
    // What stands before the proxy's own entry is the client's claim.
    const many = await FrameSocket.open(running, from('10.0.0.9, 10.0.0.1'))
    expect((await many.closed).code).toBe(CloseCode.TooMany)
    const refused = await fetch(`${running.url}/api/sync`, from('10.0.0.1'))
    expect(refused.status).toBe(429)
    expect(refused.headers.get('Retry-After')).not.toBeNull()
    expect(await refused.json()).toMatchObject({ code: 'connection/too-many' })

    const other = await FrameSocket.open(running, from('10.0.0.2'))
    other.send(authMessage(name, tokenFor('bob')))
    await other.message((message) => Buffer.from(message).includes('read-write'))
    first.destroy()
    const again = await eventually(async () => {
      const socket = await FrameSocket.open(running, from('10.0.0.1'))
      socket.send(authMessage(name, tokenFor('ann')))
      return socket.message((message) => Buffer.from(message).includes('read-write')).then(() => socket)
    })
    tunnel.destroy()
    for (const socket of [second, other, again]) socket.destroy()
  })

  test('connections of a user, over both ways', async () => {
    const running = await start({ MAX_CONNECTIONS_PER_USER: '2' })
    const first = await openFrameSocket(running, name, { user: 'ann' })
    const second = await openTunnel(running, 'ann')
    const socket = await FrameSocket.open(running)
    socket.send(authMessage(name, tokenFor('ann')))
    expect((await socket.closed).code).toBe(CloseCode.TooMany)
    const tunnel = await TunnelClient.open(running)
    await tunnel.send(authMessage(name, tokenFor('ann')))
    expect((await tunnel.closed).code).toBe(CloseCode.TooMany)

    const other = await openFrameSocket(running, name, { user: 'bob' })
    first.destroy()
    const again = await eventually(() => openFrameSocket(running, name, { user: 'ann' }))
    second.destroy()
    for (const left of [other, again]) left.destroy()
  })

  test('documents of a connection; one that is closed makes room', async () => {
    const running = await start({ MAX_DOCUMENTS_PER_CONNECTION: '5' })
    const socket = await FrameSocket.open(running)
    const opened = (count: number) =>
      socket.message(
        () => socket.messages.filter((message) => syncPayload(message, SyncType.Step2) !== undefined).length === count,
      )
    const open = (document: string) => {
      socket.send(authMessage(document, tokenFor('ann')))
      socket.send(syncMessage(document, SyncType.Step1, Uint8Array.of(0)))
    }
    for (let index = 0; index < 5; index += 1) open(`many/${index}`)
    await opened(5)
    socket.send(closeMessage('many/0'))
    open('many/5')
    await opened(6)
    open('many/6')
    expect((await socket.closed).code).toBe(CloseCode.TooMany)
  })

  test('changes of presence, but not those that others make', async () => {
    const running = await start({ PRESENCE_CHANGES_PER_SECOND: '1' })
    const ann = await openFrameSocket(running, name, { user: 'ann' })
    const bob = await openFrameSocket(running, name, { user: 'bob' })
    const change = (socket: FrameSocket, client: number, clock: number) =>
      socket.send(awarenessMessage(name, awarenessUpdate([{ client, clock, state: JSON.stringify({ clock }) }])))
    change(bob, 2, 1)
    // What one hears is repeated by stock clients.
    for (let repetition = 0; repetition < 200; repetition += 1) change(bob, 1, 1)
    for (let clock = 1; clock < 200; clock += 1) change(ann, 1, clock)
    const { code, reason } = await ann.closed
    expect({ code, reason }).toEqual({ code: CloseCode.TooMany, reason: 'presence changes too often' })
    bob.send(
      updateMessage(
        name,
        updateOf(2, (ydoc) => ydoc.getMap('map').set('key', 'value')),
      ),
    )
    await bob.message((message) => syncStatus(message) === true)
    bob.destroy()
  })
})

test('a document over its size closes with 4413, and those who leave room go on', async () => {
  const running = await start({ MAX_DOCUMENT_BYTES: String(100 * KiB) })
  const ann = await openFrameSocket(running, name, { user: 'ann' })
  const [first = new Uint8Array(), second = new Uint8Array()] = updatesOf(1, 2, 60 * KiB)
  ann.send(updateMessage(name, first))
  await ann.message(() => acknowledged(ann) === 1)
  ann.send(updateMessage(name, second))
  expect((await ann.closed).code).toBe(CloseCode.TooBig)

  const bob = openClient(running, name, { user: 'bob' })
  await bob.synced()
  expect(bob.text.length).toBe(60 * KiB)
  bob.ydoc.getMap('map').set('key', 'value')
  await bob.saved()
  const response = await fetch(`${running.url}/api/documents/${encodeURIComponent(name)}/sync`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${tokenFor('ann')}`, 'Content-Type': 'application/octet-stream' },
    body: new Uint8Array(second),
  })
  expect(response.status).toBe(413)
  expect(await response.json()).toMatchObject({ code: 'document/too-big' })
  // Deleting makes room for more.
  bob.text.delete(0, 50 * KiB)
  bob.text.insert(0, 'y'.repeat(30 * KiB))
  await bob.saved()
  bob.destroy()
})

test('[promise 5] short of memory, the server takes no new connections and goes on with those it has', async () => {
  const running = await start({ MAX_MEMORY_BYTES: String(400 * KiB * KiB) })
  const ann = await openFrameSocket(running, name, { user: 'ann' })
  const tunnel = await openTunnel(running, 'bob')
  const ydoc = new Y.Doc()
  let sent = 0
  ydoc.on('update', (update: Uint8Array) => {
    ann.send(updateMessage(name, update))
    sent += 1
  })
  const answer = () => sendHttp(running.port, upgradeRequest('/collab', { Connection: 'Upgrade' })).then(statusOf)
  const statusOf = ({ status }: { status: number }) => status
  const isRefused = async () => {
    const response = await fetch(`${running.url}/api/sync`)
    const { status } = response
    await response.body?.cancel()
    if (status === 503) expect(response.headers.get('Retry-After')).not.toBeNull()
    return status === 503
  }
  while (!(await isRefused())) {
    ydoc.getArray('array').push(['x'.repeat(8 * KiB * KiB)])
    await ann.message(() => acknowledged(ann) === sent)
  }
  expect(await answer()).toBe(503)
  await tunnel.send(
    updateMessage(
      name,
      updateOf(3, (other) => other.getMap('map').set('key', 'value')),
    ),
  )
  await tunnel.message((message) => syncStatus(message) === true)
  tunnel.destroy()
  ann.destroy()
})

function closeMessage(document: string): Uint8Array {
  return Buffer.concat([authMessage(document, '').subarray(0, document.length + 1), Buffer.of(7)])
}

/** Tries until it works: the server hears a little later that a connection has ended. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
