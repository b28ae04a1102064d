import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { rssMb } from '../hostile/witnesses.ts'
import { openClient, openYWebsocket, whenDocument } from '../support/clients.ts'
import { FrameSocket, frame } from '../support/frame-socket.ts'
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
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

const KiB = 1024
const MiB = 1024 * KiB
const name = 'limits/document'

let server: TestServer | undefined

afterEach(async () => {
  expect(await server?.stop()).toBe(0)
  server = undefined
})

async function start(environment: Record<string, string> = {}): Promise<TestServer> {
  server = await startServer({ environment })
  return server
}

function textOf(client: number, length: number): Uint8Array {
  return updateOf(client, (ydoc) => ydoc.getText('text').insert(0, 'x'.repeat(length)))
}

test('messages have 1 MiB before authentication and 32 MiB after it, by default', async () => {
  const running = await start()
  const small = await FrameSocket.open(running)
  small.send(updateMessage(name, new Uint8Array(900 * KiB).fill(255)))
  small.send(authMessage(name, tokenFor('ann')))
  // What waited is no update; but it was read, and that only once the document was open.
  expect((await small.closed).code).toBe(CloseCode.Malformed)

  const large = await FrameSocket.open(running)
  large.send(updateMessage(name, new Uint8Array(1.2 * MiB)))
  expect((await large.closed).code).toBe(CloseCode.MessageTooBig)

  const ann = await openFrameSocket(running, name, { user: 'ann' })
  ann.send(updateMessage(name, textOf(1, 31 * MiB)))
  await ann.message((message) => syncStatus(message) === true)
  ann.send(new Uint8Array(0), { declaredLength: 33 * MiB })
  expect((await ann.closed).code).toBe(CloseCode.MessageTooBig)
})

test('the limits can be set, and hold for fragmented messages as well', async () => {
  const running = await start({ MAX_MESSAGE_BYTES: String(64 * KiB), MAX_UNAUTHENTICATED_BYTES: String(4 * KiB) })
  const stranger = await FrameSocket.open(running)
  for (let part = 0; part < 10; part += 1)
    stranger.send(new Uint8Array(KiB), { opcode: part === 0 ? 2 : 0, fin: false })
  expect((await stranger.closed).code).toBe(CloseCode.MessageTooBig)

  const ann = await openFrameSocket(running, name, { user: 'ann' })
  ann.send(updateMessage(name, textOf(1, 60 * KiB)))
  await ann.message((message) => syncStatus(message) === true)
  const parts = Array.from({ length: 70 }, (_, part) =>
    frame(new Uint8Array(KiB), { opcode: part === 0 ? 2 : 0, fin: false }),
  )
  ann.sendRaw(Buffer.concat(parts))
  expect((await ann.closed).code).toBe(CloseCode.MessageTooBig)
})

test('a presence state has a limit, in bytes and not in letters', async () => {
  const running = await start({ MAX_PRESENCE_BYTES: '1024' })
  const client = openClient(running, name)
  await client.synced()
  const closed = new Promise<number>((resolve) =>
    client.socket.on('close', ({ event }: { event: { code: number } }) => resolve(event.code)),
  )
  client.provider.setAwarenessField('text', 'ü'.repeat(600))
  expect(await closed).toBe(CloseCode.TooBig)
  client.destroy()
})

test('100 documents may wait for a token on one socket, and any number be open', async () => {
  const running = await start()
  const socket = await FrameSocket.open(running)
  for (let index = 0; index < 100; index += 1) socket.send(numbers(`many/${index}`, MessageType.QueryAwareness))
  const open = (from: number, to: number) => {
    for (let index = from; index < to; index += 1) {
      socket.send(authMessage(`many/${index}`, tokenFor('ann')))
      socket.send(syncMessage(`many/${index}`, SyncType.Step1, Uint8Array.of(0)))
    }
    return socket.message(() => opened() === to)
  }
  const opened = () => socket.messages.filter((message) => syncPayload(message, SyncType.Step2) !== undefined).length
  await open(0, 100)
  await open(100, 150)
  for (let index = 0; index < 101; index += 1) socket.send(numbers(`more/${index}`, MessageType.QueryAwareness))
  expect((await socket.closed).code).toBe(CloseCode.TooMany)
})

test('pages of other origins stay out, those of ALLOWED_ORIGINS and of the same host come in', async () => {
  const running = await start({ ALLOWED_ORIGINS: 'https://app.example, https://other.example:8443' })
  const origins: [string, string, boolean][] = [
    ['https://app.example', '127.0.0.1', true],
    ['https://other.example:8443', '127.0.0.1', true],
    ['https://docs.example', 'docs.example', true],
    ['http://docs.example:1234', 'docs.example:1234', true],
    ['https://other.example', '127.0.0.1', false],
    ['http://app.example', '127.0.0.1', false],
    ['https://app.example.evil.example', '127.0.0.1', false],
    ['https://evil.example/https://app.example', '127.0.0.1', false],
    ['null', '127.0.0.1', false],
    ['http://localhost', '127.0.0.1', false],
  ]
  for (const [origin, host, allowed] of origins) {
    const result = await FrameSocket.open(running, { headers: { Origin: origin, Host: host } }).then(
      (socket) => {
        socket.destroy()
        return true
      },
      (error: Error) => (error.message.includes('403') ? false : error),
    )
    expect({ origin, host, result }).toEqual({ origin, host, result: allowed })
  }
})

test('a socket without a token is closed with 4408', async () => {
  const running = await start({ AUTHENTICATION_TIMEOUT: '100' })
  const socket = await FrameSocket.open(running)
  expect((await socket.closed).code).toBe(CloseCode.Timeout)
})

test('a dead peer is cut off, a living one is not', async () => {
  const running = await start({ PING_INTERVAL: '100' })
  const living = await openFrameSocket(running, name, { user: 'ann' })
  const dead = await openFrameSocket(running, name, { user: 'bob', answersPings: false })
  await dead.ended
  expect((await dead.closed).code).toBe(1006)
  expect(dead.pings).toBe(1)
  await until(() => living.pings > 3, living)
  expect(living.socket.readyState).toBe('open')
  living.destroy()
})

test('a peer that sends a large message slowly is not taken for dead', async () => {
  const running = await start({ PING_INTERVAL: '100' })
  const slow = await openFrameSocket(running, name, { user: 'ann', answersPings: false })
  const message = frame(updateMessage(name, textOf(1, 20 * KiB)))
  // Each part once the server has asked whether it is alive; the answer would stand behind the message.
  const parts = 4
  for (let part = 0; part < parts; part += 1) {
    const size = Math.ceil(message.length / parts)
    slow.sendRaw(message.subarray(part * size, (part + 1) * size))
    if (part < parts - 1) await until(() => slow.pings > part, slow)
  }
  await slow.message((answer) => syncStatus(answer) === true)
  slow.destroy()
})

test('[promise 5] a slow reader is cut off with 1013, and afterwards it gets everything', async () => {
  const running = await start({ SEND_BUFFER_BYTES: String(256 * KiB) })
  const slow = await openFrameSocket(running, name, { user: 'slow' })
  slow.pause()
  const writer = await openFrameSocket(running, name, { user: 'ann' })
  const ydoc = new Y.Doc()
  const text = ydoc.getText('text')
  ydoc.on('update', (update: Uint8Array) => writer.send(updateMessage(name, update)))
  const letters = 'x'.repeat(100 * KiB)
  // More than the buffers of the operating system hold; the slow one's frames would be 30 MB.
  for (let update = 1; update <= 300; update += 1) {
    text.insert(0, letters)
    if (update % 20 === 0)
      await writer.message(() => writer.messages.filter((message) => syncStatus(message)).length === update)
  }
  slow.resume()
  const { code, reason } = await slow.closed
  expect({ code, reason }).toEqual({ code: CloseCode.TryAgainLater, reason: 'reading too slowly' })
  const received = new Y.Doc()
  for (const message of slow.messages) {
    const update = syncPayload(message, SyncType.Update)
    if (update !== undefined) Y.applyUpdate(received, update)
  }
  // Whole updates from the start, and then none.
  expect(received.getText('text').length % letters.length).toBe(0)
  expect(received.getText('text').length).toBeLessThan(text.length)

  const again = openClient(running, name, { user: 'slow', ydoc: received })
  await again.synced()
  expect(again.text.length).toBe(text.length)
  again.destroy()
  writer.destroy()
})

test('[promise 5] whoever asks faster than they read is read more slowly, and answered in full', async () => {
  const running = await start({ SEND_BUFFER_BYTES: String(256 * KiB) })
  const writer = await openFrameSocket(running, name, { user: 'ann' })
  writer.send(updateMessage(name, textOf(1, 200 * KiB)))
  await writer.message((message) => syncStatus(message) === true)
  const rssAtStart = rssMb(running.pid)
  const asking = await openFrameSocket(running, name, { user: 'bob' })
  asking.pause()
  const requests = 300
  const request = frame(syncMessage(name, SyncType.Step1, Uint8Array.of(0), MessageType.SyncReply))
  asking.sendRaw(Buffer.concat(Array.from({ length: requests }, () => request)))
  // 60 MB of answers, of which few are made before somebody reads them: others go on meanwhile.
  const others = [openClient(running, name, { user: 'carol' }), openYWebsocket(running, name, 'dave')] as const
  others[0].text.insert(0, 'meanwhile')
  await others[0].saved()
  await whenDocument(others[1].doc, () => others[1].doc.getText('text').toString().includes('meanwhile'))
  expect(rssMb(running.pid) - rssAtStart).toBeLessThan(100)
  asking.resume()
  const answers = () => asking.messages.filter((message) => syncPayload(message, SyncType.Step2) !== undefined).length
  await asking.message(() => answers() === requests + 1)
  for (const client of [...others, writer, asking]) client.destroy()
})

test('a flood of one socket delays nobody else', async () => {
  const running = await start()
  const [ann, bob] = [openClient(running, name), openYWebsocket(running, name)]
  await ann.synced()
  const flood = await openFrameSocket(running, 'limits/flood', { user: 'mallory' })
  const message = frame(updateMessage('limits/flood', textOf(1, 10)))
  flood.sendRaw(Buffer.concat(Array.from({ length: 100_000 }, () => message)))
  for (let round = 1; round <= 5; round += 1) {
    ann.text.insert(0, 'a')
    await whenDocument(bob.doc, () => bob.doc.getText('text').length === round * 2 - 1)
    bob.doc.getText('text').insert(0, 'b')
    await whenDocument(ann.ydoc, () => ann.text.length === round * 2)
  }
  const answered = () => flood.messages.length
  expect(answered()).toBeLessThan(100_000)
  await flood.message(() => answered() >= 100_000)
  for (const client of [ann, bob, flood]) client.destroy()
})

/** Resolves once `condition` holds, looked at when something arrives at `socket`. */
async function until(condition: () => boolean, { socket }: FrameSocket): Promise<void> {
  while (!condition()) await once(socket, 'data')
}
