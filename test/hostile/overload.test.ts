import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { preloading } from '../fault/preload/preload.ts'
import { openClient, openYWebsocket, whenDocument } from '../support/clients.ts'
import { FrameSocket, frame, upgradeRequest } from '../support/frame-socket.ts'
import {
  authMessage,
  numbers,
  openFrameSocket,
  syncMessage,
  syncPayload,
  syncStatus,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { isSoak } from '../support/random.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { rssMb, Witnesses } from './witnesses.ts'

const KiB = 1024
/** Has the runtime give back at once what it doesn't need, so that the memory it holds is what the server holds. */
const TIDY = { NODE_OPTIONS: '--max-old-space-size=128 --max-semi-space-size=1', MALLOC_MMAP_THRESHOLD_: '65536' }

vi.setConfig({ testTimeout: isSoak ? 600_000 : 60_000 })

let server: TestServer | undefined

afterEach(async () => {
  expect(await server?.stop()).toBe(0)
  server = undefined
})

async function start(environment: Record<string, string> = {}): Promise<TestServer> {
  server = await startServer({ environment })
  return server
}

/** Counts what was acknowledged so far; each message is looked at once. */
function counterOf({ messages }: FrameSocket): () => number {
  let [seen, count] = [0, 0]
  return () => {
    for (; seen < messages.length; seen += 1) {
      const message = messages[seen]
      if (message !== undefined && syncStatus(message) === true) count += 1
    }
    return count
  }
}

test('[promise 5] while 200 MB are written, who reads nothing costs a bounded amount of memory', async () => {
  const running = await start(TIDY)
  const name = 'overload/slow-reader'
  const writer = await openFrameSocket(running, name, { user: 'ann' })
  const acknowledged = counterOf(writer)
  const ydoc = new Y.Doc()
  const map = ydoc.getMap<string>('map')
  ydoc.on('update', (update: Uint8Array) => writer.send(updateMessage(name, update)))
  let slow: FrameSocket | undefined
  let written = 0
  const write = async (updates: number) => {
    let peakMb = 0
    for (const last = written + updates; written < last; ) {
      written += 1
      // What it takes the place of leaves the document: only what waits for the reader can make memory grow.
      map.set('key', `${written} ${'x'.repeat(100 * KiB)}`)
      if (written % 10 !== 0) continue
      await writer.message(() => acknowledged() === written)
      peakMb = Math.max(peakMb, rssMb(running.pid))
      // Long since cut off; a peer that hears nothing of it for five seconds is disconnected without the code.
      if (written === 800) slow?.resume()
    }
    return peakMb
  }
  // What such a load takes without it.
  const baseMb = await write(400)
  slow = await openFrameSocket(running, name, { user: 'slow' })
  slow.pause()
  expect((await write(2_000)) - baseMb).toBeLessThan(64)

  expect((await slow.closed).code).toBe(CloseCode.TryAgainLater)
  const received = new Y.Doc()
  for (const message of slow.messages) {
    const update = syncPayload(message, SyncType.Update) ?? syncPayload(message, SyncType.Step2)
    if (update !== undefined) Y.applyUpdate(received, update)
  }
  expect(received.getMap('map').get('key')).not.toBe(map.get('key'))
  const again = openClient(running, name, { user: 'slow', ydoc: received })
  await again.synced()
  expect(again.ydoc.getMap('map').get('key')).toBe(map.get('key'))
  again.destroy()
  writer.destroy()
})

test('[promise 5] a flood lets others through, and keeps what was acknowledged of it through a crash', async () => {
  const running = await start()
  const name = 'overload/flood'
  const flooder = await openFrameSocket(running, name, { user: 'mallory' })
  const [ann, bob] = [openClient(running, name, { user: 'ann' }), openYWebsocket(running, name, 'bob')]
  await ann.synced()
  const acknowledged = counterOf(flooder)
  const ydoc = new Y.Doc()
  const frames: Buffer[] = []
  ydoc.on('update', (update: Uint8Array) => frames.push(frame(updateMessage(name, update))))
  const count = isSoak ? 300_000 : 60_000
  const letters = ydoc.getText('flood')
  for (let index = 0; index < count; index += 1) letters.insert(index, String(index % 10))
  flooder.sendRaw(Buffer.concat(frames))

  // They hear of each other in turn.
  const theirs = bob.doc.getText('text')
  for (let round = 1; round <= 5; round += 1) {
    ann.text.insert(ann.text.length, 'a')
    await whenDocument(bob.doc, () => theirs.length === round * 2 - 1)
    theirs.insert(theirs.length, 'b')
    await whenDocument(ann.ydoc, () => ann.text.length === round * 2)
  }
  expect(ann.text.toString()).toBe('ab'.repeat(5))
  await ann.saved()
  const half = count / 2
  await flooder.message(() => acknowledged() >= half)
  // And their first edit did not have to wait for the end of the flood.
  const isTheirs = (message: Uint8Array) => syncPayload(message, SyncType.Update) !== undefined
  expect(flooder.messages.findIndex(isTheirs)).toBeGreaterThan(0)
  expect(flooder.messages.findIndex(isTheirs)).toBeLessThan(half)
  await running.kill()
  await flooder.ended
  const kept = acknowledged()
  for (const client of [ann, bob, flooder]) client.destroy()

  server = await running.restart()
  const after = openClient(server, name, { user: 'carol' })
  await after.synced()
  expect(after.text.toString()).toBe('ab'.repeat(5))
  const flood = after.ydoc.getText('flood').toString()
  expect(flood.length).toBeGreaterThanOrEqual(kept)
  expect(letters.toString().startsWith(flood)).toBe(true)
  after.destroy()
})

test('[promise 5] an edit shares its commit with a small part of a flood only', async () => {
  const running = await start(preloading(['slow-commits'], { SLOW_COMMIT_MS: '200' }))
  const flooder = await openFrameSocket(running, 'overload/waves', { user: 'mallory' })
  const other = await openFrameSocket(running, 'overload/calm', { user: 'ann' })
  const acknowledged = counterOf(flooder)
  const isSaved = (message: Uint8Array) => syncStatus(message) === true
  const frames: Buffer[] = []
  const ydoc = new Y.Doc()
  ydoc.on('update', (update: Uint8Array) => frames.push(frame(updateMessage('overload/waves', update))))
  for (let index = 0; index < 10_000; index += 1) ydoc.getText('flood').insert(index, 'x')
  flooder.sendRaw(Buffer.concat(frames))
  await flooder.message(isSaved)
  const before = acknowledged()
  other.send(
    updateMessage(
      'overload/calm',
      updateOf(1, (calm) => calm.getText('text').insert(0, 'an edit')),
    ),
  )
  await other.message(isSaved)
  expect(acknowledged() - before).toBeLessThan(2_000)
  for (const socket of [flooder, other]) socket.destroy()
})

test('[promise 5] of connections that never authenticate the oldest give way, and nobody else notices', async () => {
  const max = isSoak ? 2_000 : 100
  const count = isSoak ? 10_000 : 1_000
  const running = await start({ MAX_UNAUTHENTICATED_CONNECTIONS: String(max), AUTHENTICATION_TIMEOUT: '600000' })
  const witnesses = await Witnesses.open(running)
  const strangers: FrameSocket[] = []
  for (let opened = 0; opened < count; opened += 100) {
    strangers.push(...(await Promise.all(Array.from({ length: 100 }, () => FrameSocket.open(running)))))
    // In the middle of it, somebody who does.
    if (opened % 500 === 0) (await openFrameSocket(running, 'overload/stranger', { user: 'carol' })).destroy()
  }
  const given = await Promise.all(strangers.slice(0, count - max - 1).map(({ closed }) => closed))
  expect(new Set(given.map(({ code }) => code))).toEqual(new Set([CloseCode.TryAgainLater]))
  await witnesses.check()
  const last = strangers.at(-1)
  last?.send(authMessage('overload/stranger', tokenFor('dave')))
  await last?.message((message) => Buffer.from(message).includes('read-write'))
  for (const stranger of strangers) stranger.destroy()
  await witnesses.check()
  witnesses.close()
})

test('[promise 5] handshakes that never end are cut off, and nobody else notices', async () => {
  const running = await start({ AUTHENTICATION_TIMEOUT: '1000' })
  const witnesses = await Witnesses.open(running)
  const parts = [upgradeRequest('/collab').slice(0, -2), 'GET /collab HT', '', upgradeRequest('/yjs/a').slice(0, -4)]
  const sockets: Socket[] = []
  for (let opened = 0; opened < (isSoak ? 2_000 : 300); opened += 100) {
    const batch = Array.from({ length: 100 }, async (_, index) => {
      const socket = connect(running.port, '127.0.0.1')
      await once(socket, 'connect')
      socket.on('error', () => {}) // its close event follows
      socket.write(parts[index % parts.length] ?? '')
      return socket.resume()
    })
    sockets.push(...(await Promise.all(batch)))
  }
  const ended = sockets.map((socket) => (socket.closed ? undefined : once(socket, 'close')))
  await witnesses.check()
  await Promise.all(ended)
  witnesses.close()
})

test('[promise 5] any number of document names on one socket costs a bounded amount of memory', async () => {
  const count = isSoak ? 100_000 : 5_000
  const running = await start({ MAX_DOCUMENTS_PER_CONNECTION: '200' })
  const witnesses = await Witnesses.open(running)
  const names = Array.from({ length: count }, (_, index) => `overload/${index}`)
  const granted = tokenFor('mallory')
  const denied = tokenFor('mallory', { access: { other: 'write' } })
  const attacks: [string, (name: string) => Uint8Array][] = [
    ['never authenticated', (name) => numbers(name, MessageType.QueryAwareness)],
    ['with a token', (name) => authMessage(name, granted)],
    ['with a sync step before the token', (name) => syncMessage(name, SyncType.Step1, Uint8Array.of(0))],
  ]
  for (const [title, message] of attacks) {
    const socket = await FrameSocket.open(running)
    socket.sendTogether(...names.map(message))
    expect({ title, code: (await socket.closed).code }).toEqual({ title, code: CloseCode.TooMany })
    socket.destroy()
    await witnesses.check()
  }

  // Each is refused by itself; none of them is remembered.
  const socket = await openFrameSocket(running, 'overload/own', { user: 'mallory' })
  const growthFrom = rssMb(running.pid)
  for (let sent = 0; sent < count; ) {
    const before = socket.messages.length
    const some = names.slice(sent, sent + 100)
    sent += some.length
    socket.sendTogether(...some.map((name) => authMessage(name, denied)))
    await socket.message(() => socket.messages.length - before >= some.length)
  }
  expect(rssMb(running.pid) - growthFrom).toBeLessThan(128)
  await witnesses.check()
  socket.destroy()
  witnesses.close()
})

test('[promise 5] documents that nobody has open leave memory, and whoever comes back notices nothing', async () => {
  const running = await start({ ...TIDY, IDLE_DOCUMENT_BYTES: String(16 * 1024 * KiB) })
  const content = (index: number) => `${index} ${'x'.repeat(1_000 * KiB)}`
  let baseMb = 0
  for (let index = 0; index < 120; index += 1) {
    const client = openClient(running, `overload/idle/${index}`)
    await client.synced()
    client.text.insert(0, content(index))
    await client.saved()
    client.destroy()
    if (index === 20) baseMb = rssMb(running.pid)
  }
  expect(rssMb(running.pid) - baseMb).toBeLessThan(64)
  for (const index of [0, 1, 60, 119]) {
    const back = openClient(running, `overload/idle/${index}`, { user: 'bob' })
    await back.synced()
    expect(back.text.toString()).toBe(content(index))
    back.text.insert(0, 'more ')
    await back.saved()
    back.destroy()
  }
})
