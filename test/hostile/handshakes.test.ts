import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import jwt from 'jsonwebtoken'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { FrameSocket, sendHttp, upgradeRequest } from '../support/frame-socket.ts'
import { authMessage } from '../support/messages.ts'
import { startServer, type TestServer, testSecret, tokenFor } from '../support/server.ts'
import { type Attack, type Outcome, runAttacks } from './attack.ts'
import { Witnesses } from './witnesses.ts'

let server: TestServer
let witnesses: Witnesses

beforeAll(async () => {
  server = await startServer({ environment: { AUTHENTICATION_TIMEOUT: '2000' } })
  witnesses = await Witnesses.open(server)
})

afterAll(async () => {
  witnesses.close()
  expect(await server.stop()).toBe(0)
})

describe('upgrade requests that are refused with an HTTP status', () => {
  const request = (path: string, headers: Record<string, string | undefined> = {}) => upgradeRequest(path, headers)
  const bad: Record<string, [string, number | number[]]> = {
    'another path': [request('/nothing'), 404],
    'a path below /collab': [request('/collab/document'), 404],
    'a path with two slashes': [request('//collab'), 404],
    'another scheme': [request('http://evil.example/collab'), 404],
    'no path': [request('collab'), 400],
    'y-websocket without a document': [request('/yjs/'), 400],
    'y-websocket with a bad encoding': [request('/yjs/%ff'), 400],
    'y-websocket with half an encoding': [request('/yjs/a%2'), 400],
    'y-websocket with a zero byte': [request('/yjs/a%00b'), 400],
    'y-websocket with a newline': [request('/yjs/a%0d%0aX-Header:%20b'), 400],
    'y-websocket with an empty segment': [request('/yjs/a//b'), 400],
    'y-websocket with encoded dots': [request('/yjs/a%2f..%2fb'), 400],
    'y-websocket with a lone surrogate': [request('/yjs/%ed%a0%80'), 400],
    'y-websocket with 300 bytes': [request(`/yjs/${'x'.repeat(300)}`), 400],
    'y-websocket with __proto__': [request('/yjs/__proto__'), 400],
    'y-websocket with constructor': [request('/yjs/constructor'), 400],
    'another origin': [request('/collab', { Origin: 'https://evil.example' }), 403],
    'the same host on another port': [request('/collab', { Origin: 'http://127.0.0.1:1' }), 403],
    'the origin null': [request('/collab', { Origin: 'null' }), 403],
    'an origin that is none': [request('/collab', { Origin: 'x' }), 403],
    'an origin that starts like the host': [request('/collab', { Origin: 'http://127.0.0.1.evil.example' }), 403],
    'another origin, over y-websocket': [request('/yjs/a', { Origin: 'https://evil.example' }), 403],
    'no key': [request('/collab', { 'Sec-WebSocket-Key': undefined }), 400],
    'a short key': [request('/collab', { 'Sec-WebSocket-Key': 'abc' }), 400],
    'a key that is no base64': [request('/collab', { 'Sec-WebSocket-Key': '!'.repeat(24) }), 400],
    'version 12': [request('/collab', { 'Sec-WebSocket-Version': '12' }), [400, 426]],
    'version 99': [request('/collab', { 'Sec-WebSocket-Version': '99' }), [400, 426]],
    'no version': [request('/collab', { 'Sec-WebSocket-Version': undefined }), [400, 426]],
    'another protocol': [request('/collab', { Upgrade: 'h2c' }), 400],
    'a POST': [request('/collab').replace('GET', 'POST'), 405],
    'a bad subprotocol': [request('/collab', { 'Sec-WebSocket-Protocol': 'a,,b' }), 400],
    'a subprotocol with spaces': [request('/collab', { 'Sec-WebSocket-Protocol': 'a b' }), 400],
    'the same subprotocol twice': [request('/collab', { 'Sec-WebSocket-Protocol': 'a, a' }), 400],
    '64 KB of headers': [request('/collab', { 'X-Large': 'x'.repeat(64 * 1024) }), 431],
    '3,000 headers': [
      request('/collab', Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`X-${index}`, 'x']))),
      431,
    ],
    'a path of 20 KB': [request(`/${'x'.repeat(20_000)}`), 431],
    'a header without a colon': [request('/collab').replace('Upgrade: websocket', 'Upgrade websocket'), 400],
    'a header with a zero byte': [request('/collab', { 'X-Zero': 'a\0b' }), 400],
    'no HTTP': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
    'only a line': ['GET\r\n\r\n', 400],
    'two lengths': [
      'POST /api/demo/token HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
      400,
    ],
    'a length and chunks': [
      'POST /api/demo/token HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
  }

  for (const [title, [text, status]] of Object.entries(bad)) {
    test(title, async () => {
      const answer = await sendHttp(server.port, Buffer.from(text, 'latin1'))
      expect([status].flat()).toContain(answer.status)
    })
  }

  test('and nobody else has noticed', () => witnesses.check())
})

describe('HTTP requests', () => {
  test('an unknown URL is answered with 404', async () => {
    const response = await fetch(`${server.url}/api/nothing`)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code: 'http/not-found', status: 404 })
  })

  test('a list of documents needs a token', async () => {
    for (const authorization of [
      '',
      'Bearer',
      'Bearer x',
      `Basic ${tokenFor('ann')}`,
      'Bearer a.b.c',
      'Bearer \u00ff',
    ]) {
      const response = await fetch(`${server.url}/api/documents`, { headers: { authorization } })
      expect(response.status).toBe(401)
    }
    for (const query of ['limit=0', 'limit=1001', 'limit=x', `prefix=${'x'.repeat(256)}`, 'limit=1&limit=2']) {
      const headers = { authorization: `Bearer ${tokenFor('ann')}` }
      expect((await fetch(`${server.url}/api/documents?${query}`, { headers })).status).toBe(400)
    }
  })

  test('demo tokens are not given out where a secret is set', async () => {
    const response = await fetch(`${server.url}/api/demo/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'mallory' }),
    })
    expect(response.status).toBe(404)
  })
})

describe('tokens that are none', () => {
  const name = 'hostile/doc'
  const now = Math.floor(Date.now() / 1000)
  const good = { sub: 'mallory', exp: now + 600, access: { '**': 'write' } }
  const base64 = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  /** Signed by hand, so that header and payload may be anything. */
  const signed = (header: unknown, payload: unknown, secret = testSecret) => {
    const content = `${base64(header)}.${base64(payload)}`
    return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`
  }
  const hs256 = { alg: 'HS256', typ: 'JWT' }
  const tokens: Record<string, [string, Outcome]> = {
    'no token': ['', 'denied access/token-missing'],
    spaces: ['   ', 'denied access/token-invalid'],
    'one word': ['token', 'denied access/token-invalid'],
    'three dots': ['...', 'denied access/token-invalid'],
    'two dots': ['..', 'denied access/token-invalid'],
    'zero bytes': ['\0\0\0', 'denied access/token-invalid'],
    emoji: ['🔑.🔑.🔑', 'denied access/token-invalid'],
    'JSON instead of a token': [JSON.stringify(good), 'denied access/token-invalid'],
    'alg none': [`${base64({ alg: 'none' })}.${base64(good)}.`, 'denied access/token-invalid'],
    'alg None': [`${base64({ alg: 'None' })}.${base64(good)}.`, 'denied access/token-invalid'],
    'alg none with a signature': [signed({ alg: 'none' }, good), 'denied access/token-invalid'],
    'no alg': [signed({}, good), 'denied access/token-invalid'],
    'alg HS384': [jwt.sign(good, testSecret, { algorithm: 'HS384' }), 'denied access/token-invalid'],
    'alg HS512': [jwt.sign(good, testSecret, { algorithm: 'HS512' }), 'denied access/token-invalid'],
    'alg RS256 with an HMAC': [signed({ alg: 'RS256' }, good), 'denied access/token-invalid'],
    'a header that is no JSON': [signed('x', good), 'denied access/token-invalid'],
    'a payload that is no JSON': [signed(hs256, 'x'), 'denied access/token-invalid'],
    'a payload that is null': [signed(hs256, 'null'), 'denied access/token-invalid'],
    'a payload that is an array': [signed(hs256, []), 'denied access/token-invalid'],
    'another secret': [signed(hs256, good, 'another secret, long enough for HS256'), 'denied access/token-invalid'],
    'no secret': [signed(hs256, good, ''), 'denied access/token-invalid'],
    'a signature cut off': [signed(hs256, good).slice(0, -1), 'denied access/token-invalid'],
    'a payload changed': [
      signed(hs256, good).replace(base64(good), base64({ ...good, sub: 'ann' })),
      'denied access/token-invalid',
    ],
    'no user': [signed(hs256, { ...good, sub: undefined }), 'denied access/token-invalid'],
    'an empty user': [signed(hs256, { ...good, sub: '' }), 'denied access/token-invalid'],
    'a user that is a number': [signed(hs256, { ...good, sub: 1 }), 'denied access/token-invalid'],
    'a user of 300 letters': [signed(hs256, { ...good, sub: 'x'.repeat(300) }), 'denied access/token-invalid'],
    'a name that is an object': [signed(hs256, { ...good, name: {} }), 'denied access/token-invalid'],
    'no end': [signed(hs256, { ...good, exp: undefined }), 'denied access/token-invalid'],
    'an end that is text': [signed(hs256, { ...good, exp: 'never' }), 'denied access/token-invalid'],
    'an end that is null': [signed(hs256, { ...good, exp: null }), 'denied access/token-invalid'],
    expired: [signed(hs256, { ...good, exp: now - 60 }), 'denied access/token-expired'],
    'not yet valid': [signed(hs256, { ...good, nbf: now + 600 }), 'denied access/token-invalid'],
    'access that is text': [signed(hs256, { ...good, access: '**' }), 'denied access/token-invalid'],
    'access that is a list': [signed(hs256, { ...good, access: ['**'] }), 'denied access/token-invalid'],
    'an unknown level': [signed(hs256, { ...good, access: { '**': 'own' } }), 'denied access/token-invalid'],
    'a level of Object.prototype': [
      signed(hs256, { ...good, access: { '**': 'constructor' } }),
      'denied access/token-invalid',
    ],
    'admin that is text': [signed(hs256, { ...good, admin: 'yes' }), 'denied access/token-invalid'],
    'relay that is a number': [signed(hs256, { ...good, relay: 1 }), 'denied access/token-invalid'],
    'no access': [signed(hs256, { ...good, access: undefined }), 'denied access/no-grant'],
    'access to another document': [
      signed(hs256, { ...good, access: { 'hostile/other': 'write' } }),
      'denied access/no-grant',
    ],
    'access to __proto__': [
      signed(hs256, '{"sub":"m","exp":9999999999,"access":{"__proto__":"write"}}'),
      'denied access/no-grant',
    ],
    '20 KB': [signed(hs256, { ...good, padding: 'x'.repeat(20_000) }), CloseCode.Malformed],
    '900 KB': ['x'.repeat(900_000), CloseCode.Malformed],
  }

  test('are denied, or close the socket', async () => {
    const attacks = Object.entries(tokens).map(
      ([title, [token, expected]]): Attack => ({
        title,
        run: (socket) => socket.send(authMessage(name, token)),
        expected,
      }),
    )
    await runAttacks(
      attacks,
      () => FrameSocket.open(server),
      async () => {},
    )
    await witnesses.check()
  })

  test('close a y-websocket with 4401, and with 4403 without a grant', async () => {
    const short = Object.entries(tokens).filter(([, [token]]) => token.length < 5_000)
    for (const [title, [token, expected]] of short) {
      const socket = await FrameSocket.open(server, { path: `/yjs/${name}?token=${encodeURIComponent(token)}` })
      const code = expected === 'denied access/no-grant' ? CloseCode.Forbidden : CloseCode.Unauthorized
      expect({ title, code: (await socket.closed).code }).toEqual({ title, code })
    }
    await witnesses.check()
  })

  test('a good one is let in after all that on the same socket', async () => {
    const socket = await FrameSocket.open(server)
    for (const [token, expected] of Object.values(tokens)) {
      if (typeof expected !== 'number') socket.send(authMessage(name, token))
    }
    socket.send(authMessage(name, tokenFor('mallory')))
    await socket.message((message) => Buffer.from(message).includes('read-write'))
    socket.destroy()
  })
})

describe('connections that never get anywhere', () => {
  test('requests that are never finished keep nobody else waiting', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const socket = connect(server.port, '127.0.0.1')
        await once(socket, 'connect')
        const parts = [
          upgradeRequest('/collab').slice(0, -2),
          'GET /collab HT',
          '',
          'POST /api HTTP/1.1\r\nContent-Length: 9\r\n\r\n',
        ]
        socket.write(parts[index % parts.length] ?? '')
        return socket
      }),
    )
    await witnesses.check()
    for (const socket of sockets) socket.destroy()
  })

  test('a client whose upgrade was refused is disconnected, also when it does not hang up itself', async () => {
    const socket: Socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.write(upgradeRequest('/nothing'))
    socket.resume()
    await once(socket, 'end')
    // As long as the server keeps its side, writing goes on working.
    const broken = new Promise<NodeJS.ErrnoException>((resolve) => socket.on('error', resolve))
    const writing = setInterval(() => socket.write('more'), 20)
    expect((await broken).code).toMatch(/EPIPE|ECONNRESET/)
    clearInterval(writing)
  })

  test('strangers who send 31 MiB each are not collected in memory', async () => {
    const MiB = 1024 * 1024
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = await FrameSocket.open(server)
        // All of one message but its end, so that ws would wait for it.
        const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x01, 0xf0, 0, 0, 1, 2, 3, 4])
        socket.sendRaw(header)
        return socket
      }),
    )
    const chunk = Buffer.alloc(MiB)
    for (let sent = 0; sent < 30; sent += 1) for (const socket of sockets) socket.sendRaw(chunk)
    const codes = await Promise.all(sockets.map(async (socket) => (await socket.closed).code))
    expect(new Set(codes)).toEqual(new Set([CloseCode.MessageTooBig]))
    // Until everything has left this process, or the server has hung up.
    await Promise.all(sockets.map((socket) => Promise.race([drained(socket), socket.ended])))
    await witnesses.check()
    for (const socket of sockets) socket.destroy()
  })
})

function drained({ socket }: FrameSocket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.writableLength === 0) resolve()
    else socket.once('drain', resolve)
  })
}
