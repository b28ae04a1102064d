import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { HttpSocket } from '../../client/http-socket.ts'
import { CloseCode } from '../../model/close-codes.ts'
import { MAX_PIECE_BYTES } from '../../model/tunnel.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { preloading } from '../fault/preload/preload.ts'
import { openClient, openSocket, whenDocument } from '../support/clients.ts'
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
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { pieceOf, TunnelClient } from '../support/tunnel.ts'

const KiB = 1024
const name = 'http/document'

let server: TestServer | undefined

afterEach(async () => {
  if (server !== undefined) expect(await server.stop()).toBe(0)
  server = undefined
})

async function start(environment: Record<string, string> = {}): Promise<TestServer> {
  server = await startServer({ environment })
  return server
}

/** A tunnel with `name` open. */
async function openTunnel(running: TestServer, user = 'ann'): Promise<TunnelClient> {
  const tunnel = await TunnelClient.open(running)
  await tunnel.send(authMessage(name, tokenFor(user)), syncMessage(name, SyncType.Step1, Uint8Array.of(0)))
  await tunnel.message((message) => syncPayload(message, SyncType.Step2) !== undefined)
  return tunnel
}

function textOf(client: number, length: number): Uint8Array {
  return updateOf(client, (ydoc) => ydoc.getText('text').insert(0, 'x'.repeat(length)))
}

describe('a stock provider over HTTP', () => {
  test('[promise 2] converges with one over a socket, both ways and with presence', async () => {
    const running = await start()
    const ann = openClient(running, name, { user: 'ann', socket: openSocket(running, HttpSocket) })
    const bob = openClient(running, name, { user: 'bob' })
    await Promise.all([ann.synced(), bob.synced()])
    for (let round = 1; round <= 20; round += 1) {
      ann.text.insert(0, 'a')
      bob.text.insert(bob.text.length, 'b')
      await Promise.all([
        whenDocument(ann.ydoc, () => ann.text.length === round * 2),
        whenDocument(bob.ydoc, () => bob.text.length === round * 2),
      ])
    }
    await Promise.all([ann.saved(), bob.saved()])
    expect(ann.text.toString()).toBe(bob.text.toString())
    bob.provider.setAwarenessField('cursor', 7)
    await expect
      .poll(() => [...(ann.provider.awareness?.getStates().values() ?? [])])
      .toContainEqual({ cursor: 7, user: { id: 'bob', name: 'bob' } })
    ann.socket.destroy()
    await expect.poll(() => bob.provider.awareness?.getStates().size).toBe(1)
    bob.destroy()
  })

  test('[promise 1] loses nothing acknowledged or seen when the server is killed', async () => {
    let running = await start()
    const ann = openClient(running, name, { user: 'ann', socket: openSocket(running, HttpSocket) })
    const watcher = openClient(running, name, { user: 'bob', socket: openSocket(running, HttpSocket) })
    await Promise.all([ann.synced(), watcher.synced()])
    for (let round = 0; round < 5; round += 1) {
      const before = ann.text.length
      let acknowledged = 0
      let sent = 0
      const stop = (target: number) =>
        new Promise<void>((resolve) => {
          const type = () => {
            for (let letter = 0; letter < 10; letter += 1) ann.text.insert(ann.text.length, 'a')
            sent += 10
            acknowledged = sent - ann.provider.unsyncedChanges
            if (acknowledged >= target) resolve()
            else setTimeout(type, 1)
          }
          type()
        })
      await stop(200 + round * 37)
      server = undefined
      await running.kill()
      const seen = watcher.text.length
      const stored = (await replayFromLog(running.folder, [name]))[name]
      expect(acknowledged).toBeGreaterThan(0)
      expect(stored.getText('text').length).toBeGreaterThanOrEqual(before + acknowledged)
      expect(stored.getText('text').length).toBeGreaterThanOrEqual(seen)
      running = await running.restart()
      server = running
      await whenDocument(watcher.ydoc, () => watcher.text.length === ann.text.length)
      await ann.saved()
    }
    ann.socket.destroy()
    watcher.socket.destroy()
  })

  test('stays while it answers pings, and is told when the server stops', async () => {
    const running = await start({ PING_INTERVAL: '2000' })
    const client = openClient(running, name, { socket: openSocket(running, HttpSocket) })
    await client.synced()
    let disconnects = 0
    client.socket.on('disconnect', () => {
      disconnects += 1
    })
    const silent = await openTunnel(running, 'bob')
    // It never answers: gone at the second ping.
    expect((await silent.closed).code).toBe(1006)
    expect(silent.pings).toBe(1)
    const closed = new Promise<number>((resolve) =>
      client.socket.on('close', ({ event }: { event: { code: number } }) => resolve(event.code)),
    )
    const waiting = await openTunnel(running, 'carol')
    // It comes later than the silent one, and hears of as many pings.
    await waiting.until(() => waiting.pings === 1)
    expect(disconnects).toBe(0)
    expect(await running.stop()).toBe(0)
    expect(await closed).toBe(CloseCode.GoingAway)
    client.socket.destroy()
    server = undefined
  })

  test('[promise 1] what is taken when the server stops is still acknowledged', async () => {
    const environment = preloading(['slow-commits'], { SLOW_COMMIT_MS: '500' })
    const running = await startServer({ environment })
    const client = await openTunnel(running)
    await client.send(updateMessage(name, textOf(1, 10)))
    const stopped = running.stop()
    expect((await client.closed).code).toBe(CloseCode.GoingAway)
    expect(client.messages.filter((message) => syncStatus(message))).toHaveLength(1)
    expect(await stopped).toBe(0)
  })
})

describe('a piece', () => {
  test('that comes again is taken once, one from the future not at all', async () => {
    const running = await start()
    const tunnel = await openTunnel(running)
    const first = new Y.Doc()
    first.clientID = 1
    first.getText('text').insert(0, 'once')
    const piece = pieceOf(updateMessage(name, Y.encodeStateAsUpdate(first)))
    const [early, ...answers] = [
      await tunnel.sendPiece(piece, 2),
      await tunnel.sendPiece(piece, 1),
      ...(await Promise.all([tunnel.sendPiece(piece, 1), tunnel.sendPiece(piece, 1)])),
    ]
    expect(early?.status).toBe(409)
    expect(await early?.json()).toMatchObject({ code: 'sync/out-of-order' })
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204])
    await tunnel.sendPiece(pieceOf(updateMessage(name, textOf(2, 1))), 2)
    await tunnel.until(() => tunnel.messages.filter((message) => syncStatus(message)).length >= 2)
    expect(tunnel.messages.filter((message) => syncStatus(message))).toHaveLength(2)
    tunnel.destroy()
  })

  test('that breaks off half-way is not taken, and can be sent again', async () => {
    const running = await start()
    const tunnel = await openTunnel(running)
    const piece = Buffer.from(pieceOf(updateMessage(name, textOf(1, 1000))))
    const broken = connect(running.port, '127.0.0.1')
    const head = [
      `POST /api/sync/${tunnel.connection} HTTP/1.1`,
      'Host: 127.0.0.1',
      'Content-Type: application/octet-stream',
      'Coweave-Piece: 1',
      `Content-Length: ${piece.length}`,
    ]
    broken.write(`${head.join('\r\n')}\r\n\r\n`)
    broken.write(piece.subarray(0, 500), () => broken.destroy())
    await new Promise((resolve) => broken.on('close', resolve))
    expect((await tunnel.sendPiece(new Uint8Array(piece), 1)).status).toBe(204)
    await tunnel.message((message) => syncStatus(message) === true)
    tunnel.destroy()
  })

  test('may end anywhere in a message', async () => {
    const running = await start()
    const tunnel = await openTunnel(running)
    const stream = pieceOf(updateMessage(name, textOf(1, 100)), updateMessage(name, textOf(2, 3)))
    for (const byte of stream) expect((await tunnel.sendPiece(Uint8Array.of(byte))).status).toBe(204)
    await tunnel.until(() => tunnel.messages.filter((message) => syncStatus(message)).length === 2)
    tunnel.destroy()
  })

  test('[promise 5] is answered once its messages are taken: a flood waits for storage', async () => {
    const never = { SLOW_COMMIT_MS: '600000', COMMIT_TIMEOUT: '600000' }
    const environment = preloading(['slow-commits'], { ...never, COMMIT_BUFFER_BYTES: String(1024 * KiB) })
    const running = await startServer({ environment })
    const tunnel = await openTunnel(running)
    for (let number = 1; number <= 6; number += 1) {
      expect((await tunnel.send(updateMessage(name, textOf(number, 200 * KiB)))).status).toBe(204)
    }
    let isAnswered = false
    const late = tunnel.send(updateMessage(name, textOf(7, 1))).then(
      () => {
        isAnswered = true
      },
      () => {},
    )
    // Time for an answer that waits for nothing.
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(isAnswered).toBe(false)
    await running.kill()
    await late
  })

  test('is refused with a code when it is too large, has no number, or its tunnel is gone', async () => {
    const running = await start()
    const tunnel = await openTunnel(running)
    const codeOf = async (response: Response) => `${response.status} ${(await response.json()).code}`
    expect(await codeOf(await tunnel.sendPiece(new Uint8Array(MAX_PIECE_BYTES + 1), 1))).toBe('413 http/body-too-big')
    expect(await codeOf(await tunnel.sendPiece(new Uint8Array(0), Number.NaN))).toBe('400 http/bad-request')
    expect((await tunnel.delete()).status).toBe(204)
    expect((await tunnel.closed).code).toBe(1000)
    expect(await codeOf(await tunnel.sendPiece(new Uint8Array(0), 1))).toBe('404 sync/gone')
    expect(await codeOf(await tunnel.delete())).toBe('404 sync/gone')
  })
})

describe('the limits of sockets', () => {
  test('hold before authentication: size, number of documents, what waits, time', async () => {
    const running = await start({ MAX_UNAUTHENTICATED_BYTES: String(4 * KiB), AUTHENTICATION_TIMEOUT: '300' })
    const large = await TunnelClient.open(running)
    expect((await large.send(updateMessage(name, new Uint8Array(5 * KiB)))).status).toBe(413)
    expect((await large.closed).code).toBe(CloseCode.MessageTooBig)

    const slowly = await TunnelClient.open(running)
    const message = pieceOf(updateMessage(name, new Uint8Array(100 * KiB)))
    let sent = 0
    let status = 204
    for (; status === 204 && sent < message.length; sent += KiB) {
      status = (await slowly.sendPiece(message.slice(sent, sent + KiB))).status
    }
    expect({ status, isEarly: sent <= 6 * KiB }).toEqual({ status: 413, isEarly: true })

    const many = await TunnelClient.open(running)
    const updates = Array.from({ length: 5 }, () => updateMessage(name, new Uint8Array(KiB)))
    await many.send(...updates)
    expect((await many.closed).code).toBe(CloseCode.TooMany)

    const silent = await TunnelClient.open(running)
    expect((await silent.closed).code).toBe(CloseCode.Timeout)
  })

  test('hold after it', async () => {
    const running = await start({ MAX_MESSAGE_BYTES: String(64 * KiB), MAX_UNAUTHENTICATED_BYTES: String(4 * KiB) })
    const tunnel = await openTunnel(running)
    await tunnel.send(updateMessage(name, textOf(1, 60 * KiB)))
    await tunnel.message((message) => syncStatus(message) === true)
    const answer = await tunnel.send(updateMessage(name, textOf(2, 65 * KiB)))
    expect(answer.status).toBe(413)
    expect(await answer.json()).toMatchObject({ code: 'sync/message-too-big' })
    expect((await tunnel.closed).code).toBe(CloseCode.MessageTooBig)
  })

  test('what no client sends closes with 4400, a forged client id with 4409', async () => {
    const running = await start()
    const wrong = await openTunnel(running)
    await wrong.send(updateMessage(name, Uint8Array.of(255, 255)))
    expect((await wrong.closed).code).toBe(CloseCode.Malformed)
    const ann = await openTunnel(running)
    await ann.send(updateMessage(name, textOf(1, 1)))
    await ann.message((message) => syncStatus(message) === true)
    const mallory = await openTunnel(running, 'mallory')
    await mallory.send(updateMessage(name, textOf(1, 2)))
    expect((await mallory.closed).code).toBe(CloseCode.ClientIdTaken)
    ann.destroy()
  })

  test('[promise 5] whoever asks faster than they read waits with the next request, and is answered in full', async () => {
    const running = await start({ SEND_BUFFER_BYTES: String(256 * KiB) })
    const asking = await openTunnel(running)
    // More than the operating system takes for somebody who doesn't read.
    for (let part = 1; part <= 40; part += 1) await asking.send(updateMessage(name, textOf(part, 200 * KiB)))
    await asking.until(() => asking.messages.filter((message) => syncStatus(message)).length === 40)
    asking.pause()
    const requests = 5
    const request = syncMessage(name, SyncType.Step1, Uint8Array.of(0), MessageType.SyncReply)
    let isAnswered = false
    const taken = asking.send(...Array.from({ length: requests }, () => request)).then(() => {
      isAnswered = true
    })
    const other = openClient(running, name, { user: 'bob' })
    other.text.insert(0, 'meanwhile')
    await other.saved()
    expect(isAnswered).toBe(false)
    asking.resume()
    const answers = () => asking.messages.filter((message) => syncPayload(message, SyncType.Step2) !== undefined).length
    await asking.until(() => answers() === requests + 1)
    await taken
    other.destroy()
    asking.destroy()
  })

  test('[promise 5] a slow reader is cut off with 1013', async () => {
    const running = await start({ SEND_BUFFER_BYTES: String(256 * KiB) })
    const slow = await openTunnel(running, 'slow')
    slow.pause()
    const writer = await openFrameSocket(running, name, { user: 'ann' })
    const ydoc = new Y.Doc()
    const text = ydoc.getText('text')
    ydoc.on('update', (update: Uint8Array) => writer.send(updateMessage(name, update)))
    for (let update = 1; update <= 300; update += 1) {
      text.insert(0, 'x'.repeat(100 * KiB))
      if (update % 20 === 0)
        await writer.message(() => writer.messages.filter((message) => syncStatus(message)).length === update)
    }
    slow.resume()
    expect(await slow.closed).toEqual({ code: CloseCode.TryAgainLater, reason: 'reading too slowly' })
    const received = new Y.Doc()
    for (const message of slow.messages) {
      const update = syncPayload(message, SyncType.Update)
      if (update !== undefined) Y.applyUpdate(received, update)
    }
    expect(received.getText('text').length % (100 * KiB)).toBe(0)
    expect(received.getText('text').length).toBeLessThan(text.length)
    writer.destroy()
  })
})

test('pages of other origins stay out; allowed ones may read and remember that they may', async () => {
  const running = await start({ ALLOWED_ORIGINS: 'https://app.example' })
  const evil = { Origin: 'https://evil.example' }
  await expect(TunnelClient.open(running, { headers: evil })).rejects.toThrow(/403.*connection\/origin/)
  const tunnel = await TunnelClient.open(running, { headers: { Origin: 'https://app.example' } })
  expect(tunnel.response.headers.get('access-control-allow-origin')).toBe('https://app.example')
  const url = `${running.url}/api/sync/${tunnel.connection}`
  const headers = { ...evil, 'Content-Type': 'application/octet-stream', 'Coweave-Piece': '0' }
  expect((await fetch(url, { method: 'POST', headers, body: new Uint8Array(0) })).status).toBe(403)
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      Origin: 'https://app.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'coweave-piece,content-type',
    },
  })
  expect(preflight.headers.get('access-control-allow-headers')).toContain('coweave-piece')
  expect(preflight.headers.get('access-control-max-age')).toBe('600')
  tunnel.destroy()
})

test('the stream asks proxies to pass it on at once, and each has a name that nobody can guess', async () => {
  const running = await start()
  const tunnels = await Promise.all([TunnelClient.open(running), TunnelClient.open(running)])
  for (const { response } of tunnels) {
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(response.headers.get('x-accel-buffering')).toBe('no')
  }
  const [first, second] = tunnels.map(({ connection }) => connection)
  expect(first).toMatch(/^[\w-]{32}$/)
  expect(second).not.toBe(first)
  for (const tunnel of tunnels) tunnel.destroy()
})
