import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import jwt from 'jsonwebtoken'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AuthType, MessageType, SyncType } from '../../server/connection/frames.ts'
import { openClient, until, whenDocument } from '../support/clients.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import {
  authMessage,
  deniedReason,
  numbers,
  openFrameSocket,
  readMessage,
  statelessMessage,
  syncMessage,
  syncPayload,
  syncStatus,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { replayFromLog } from '../support/replay.ts'
import { runCommand } from '../support/run-command.ts'
import { startServer, type TestServer, temporaryFolder, testSecret, tokenFor } from '../support/server.ts'

/** What the server says to a token for `name`: that it was let in, or why not, or the code it closed with. */
async function answerTo(server: TestServer, token: string, name = 'notes/plan'): Promise<string | number> {
  const socket = await FrameSocket.open(server)
  socket.send(authMessage(name, token))
  const answer = socket
    .message((message) => readMessage(message).type === MessageType.Auth)
    .then(
      (message) => deniedReason(message) ?? 'let in',
      async () => (await socket.closed).code,
    )
  const result = await answer
  socket.destroy()
  return result
}

const claims = { sub: 'ann', name: 'Ann', access: { '**': 'write' } }
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()

function sign(
  key: KeyObject | string,
  algorithm: jwt.Algorithm,
  options: jwt.SignOptions = {},
  payload: object = claims,
) {
  return jwt.sign(payload, key, { algorithm, expiresIn: 600, ...options })
}

/** A token whose HMAC has the text of a public key as its secret: the classic confusion of algorithms. */
function confused(key: KeyObject): string {
  return sign(pem(key), 'HS256', { allowInvalidAsymmetricKeyTypes: true })
}

describe('keys of tokens', () => {
  test('HS256 with JWT_SECRET, pinned', async () => {
    const server = await startServer()
    expect(await answerTo(server, sign(testSecret, 'HS256'))).toBe('let in')
    for (const algorithm of ['HS384', 'HS512'] as const) {
      expect(await answerTo(server, sign(testSecret, algorithm))).toBe('access/token-invalid')
    }
    expect(await answerTo(server, sign(rsa.privateKey, 'RS256'))).toBe('access/token-invalid')
    expect(await server.stop()).toBe(0)
  })

  test('RS256 with JWT_PUBLIC_KEY, pinned', async () => {
    const server = await startServer({ environment: { JWT_SECRET: '', JWT_PUBLIC_KEY: pem(rsa.publicKey) } })
    expect(await answerTo(server, sign(rsa.privateKey, 'RS256'))).toBe('let in')
    const refused = [
      sign(otherRsa.privateKey, 'RS256'),
      sign(rsa.privateKey, 'RS384'),
      sign(rsa.privateKey, 'PS256'),
      sign(ec.privateKey, 'ES256'),
      confused(rsa.publicKey),
      tokenFor('ann'),
    ]
    for (const token of refused) expect(await answerTo(server, token)).toBe('access/token-invalid')
    expect(await server.stop()).toBe(0)
  })

  test('ES256 with JWT_PUBLIC_KEY, pinned', async () => {
    const server = await startServer({ environment: { JWT_SECRET: '', JWT_PUBLIC_KEY: pem(ec.publicKey) } })
    expect(await answerTo(server, sign(ec.privateKey, 'ES256'))).toBe('let in')
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const refused = [sign(other.privateKey, 'ES256'), sign(rsa.privateKey, 'RS256'), confused(ec.publicKey)]
    for (const token of refused) expect(await answerTo(server, token)).toBe('access/token-invalid')
    expect(await server.stop()).toBe(0)
  })

  test('audience and issuer', async () => {
    const server = await startServer({ environment: { JWT_AUDIENCE: 'coweave', JWT_ISSUER: 'https://app.example' } })
    const good = { audience: 'coweave', issuer: 'https://app.example' }
    expect(await answerTo(server, sign(testSecret, 'HS256', good))).toBe('let in')
    expect(await answerTo(server, sign(testSecret, 'HS256', { ...good, audience: ['other', 'coweave'] }))).toBe(
      'let in',
    )
    const refused = [
      {},
      { ...good, audience: 'other' },
      { ...good, issuer: 'https://evil.example' },
      { audience: 'coweave' },
    ]
    for (const options of refused) {
      expect(await answerTo(server, sign(testSecret, 'HS256', options))).toBe('access/token-invalid')
    }
    expect(await server.stop()).toBe(0)
  })
})

describe('keys from JWKS_URL', () => {
  let keys: Server
  let server: TestServer
  let isAway = false
  let requests = 0

  beforeAll(async () => {
    const jwk = (key: KeyObject, kid: string, alg: string) => ({
      ...createPublicKey(pem(key)).export({ format: 'jwk' }),
      kid,
      alg,
      use: 'sig',
    })
    keys = createServer((_request, response) => {
      requests += 1
      if (isAway) response.writeHead(503).end()
      else
        response.end(JSON.stringify({ keys: [jwk(rsa.publicKey, 'rsa', 'RS256'), jwk(ec.publicKey, 'ec', 'ES256')] }))
    })
    keys.listen(0, '127.0.0.1')
    await once(keys, 'listening')
    const { port } = keys.address() as AddressInfo
    server = await startServer({ environment: { JWT_SECRET: '', JWKS_URL: `http://127.0.0.1:${port}/keys` } })
  })

  afterAll(async () => {
    expect(await server.stop()).toBe(0)
    keys.close()
  })

  test('while they can not be fetched, nobody is refused for good: 1013', async () => {
    isAway = true
    const token = sign(rsa.privateKey, 'RS256', { keyid: 'rsa' })
    expect(await answerTo(server, token)).toBe(CloseCode.TryAgainLater)
    const socket = await FrameSocket.open(server, { path: `/yjs/notes/plan?token=${token}` })
    expect((await socket.closed).code).toBe(CloseCode.TryAgainLater)
    const response = await fetch(`${server.url}/api/documents`, { headers: { authorization: `Bearer ${token}` } })
    expect(response.status).toBe(503)
    isAway = false
  })

  test('each by its id, and no algorithm but its own', async () => {
    expect(await answerTo(server, sign(rsa.privateKey, 'RS256', { keyid: 'rsa' }))).toBe('let in')
    expect(await answerTo(server, sign(ec.privateKey, 'ES256', { keyid: 'ec' }))).toBe('let in')
    const before = requests
    expect(await answerTo(server, sign(rsa.privateKey, 'RS256', { keyid: 'rsa' }))).toBe('let in')
    expect(requests).toBe(before)
    const refused = [
      sign(rsa.privateKey, 'RS256', { keyid: 'ec' }),
      sign(rsa.privateKey, 'RS256', { keyid: 'unknown' }),
      sign(rsa.privateKey, 'RS512', { keyid: 'rsa' }),
      sign(otherRsa.privateKey, 'RS256', { keyid: 'rsa' }),
      tokenFor('ann'),
      '.',
      'a.b.c',
      `${Buffer.from('x').toString('base64url')}.e30.x`,
      `${Buffer.from('null').toString('base64url')}.e30.x`,
    ]
    for (const token of refused) expect(await answerTo(server, token)).toBe('access/token-invalid')
  })
})

describe('levels', () => {
  let server: TestServer
  let name = ''
  let documents = 0

  beforeAll(async () => {
    server = await startServer()
  })

  afterAll(() => server.stop())

  beforeEach(() => {
    documents += 1
    name = `levels/${documents}`
  })

  for (const level of ['read', 'comment'] as const) {
    test(`${level}: updates are refused, reach nobody and are not stored`, async () => {
      const writer = openClient(server, name, { user: 'writer' })
      await writer.synced()
      writer.text.insert(0, 'by the writer')
      await writer.saved()
      const token = tokenFor('reader', { access: { [name]: level } })
      const reader = await openFrameSocket(server, name, { token })
      const update = updateOf(77, (ydoc) => ydoc.getText('text').insert(0, 'not allowed'))
      for (const [index, message] of [
        updateMessage(name, update),
        syncMessage(name, SyncType.Step2, update),
        syncMessage(name, SyncType.Step2, update, MessageType.SyncReply),
      ].entries()) {
        reader.send(message)
        const statuses = () => reader.messages.filter((each) => syncStatus(each) !== undefined)
        await reader.message(() => statuses().length === index + 1)
        expect(statuses().map(syncStatus)).toEqual(Array.from({ length: index + 1 }, () => false))
      }
      // What the document holds already is no edit: a stock client that answers a sync step counts on the "yes".
      reader.send(syncMessage(name, SyncType.Step2, Y.encodeStateAsUpdate(writer.ydoc)))
      await reader.message((message) => syncStatus(message) === true)

      writer.text.insert(0, '> ')
      await writer.saved()
      expect(writer.text.toString()).toBe('> by the writer')
      await server.stop()
      const { [name]: replayed } = await replayFromLog(server.folder, [name])
      expect(replayed?.getText('text').toString()).toBe('> by the writer')
      expect([...(replayed?.store.clients.keys() ?? [])]).toEqual([writer.ydoc.clientID])
      writer.destroy()
      reader.destroy()
      server = await server.restart()
    })

    test(`${level}: a stock client hears of edits and knows its scope`, async () => {
      const reader = openClient(server, name, { token: tokenFor('reader', { access: { [name]: level } }) })
      await reader.synced()
      expect(reader.provider.authorizedScope).toBe('readonly')
      const writer = openClient(server, name, { user: 'writer' })
      writer.text.insert(0, 'news')
      await whenDocument(reader.ydoc, () => reader.text.toString() === 'news')
      reader.destroy()
      writer.destroy()
    })
  }

  test('frames for a document that was not granted get nothing', async () => {
    const secret = openClient(server, `${name}/secret`, { user: 'owner' })
    await secret.synced()
    secret.text.insert(0, 'secret')
    await secret.saved()
    const token = tokenFor('mallory', { access: { [`${name}/mine`]: 'write' } })
    const mallory = await openFrameSocket(server, `${name}/mine`, { token })
    mallory.send(authMessage(`${name}/secret`, token))
    await mallory.message((message) => deniedReason(message) === 'access/no-grant')
    const target = `${name}/secret`
    mallory.send(syncMessage(target, SyncType.Step1, Uint8Array.of(0)))
    mallory.send(
      updateMessage(
        target,
        updateOf(77, (ydoc) => ydoc.getText('text').insert(0, 'forged')),
      ),
    )
    mallory.send(statelessMessage(target, 'payload'))
    mallory.send(numbers(target, MessageType.QueryAwareness))
    // As a session of it, and as a longer name.
    mallory.send(authMessage(`${target}\0session`, token))
    mallory.send(authMessage(`${name}/mine/../secret`, token))
    // Everything before it has been handled.
    const before = mallory.messages.length
    mallory.send(syncMessage(`${name}/mine`, SyncType.Step1, Uint8Array.of(0)))
    await mallory.message(
      (message) => mallory.messages.indexOf(message) >= before && syncPayload(message, SyncType.Step2) !== undefined,
    )
    for (const message of mallory.messages) {
      expect(Buffer.from(message).includes('owner')).toBe(false)
      const { name: addressed, type } = readMessage(message)
      if (addressed !== `${name}/mine`) expect(type).toBe(MessageType.Auth)
    }
    secret.text.insert(6, '!')
    await secret.saved()
    expect(secret.text.toString()).toBe('secret!')
    secret.destroy()
    mallory.destroy()
  })
})

describe('tokens that end', () => {
  let server: TestServer
  let name = ''
  let documents = 0
  const isRequest = (message: Uint8Array) => {
    const { type, decoder } = readMessage(message)
    return type === MessageType.Auth && decoder.arr[decoder.pos] === 0
  }

  beforeAll(async () => {
    server = await startServer()
  })

  afterAll(() => server.stop())

  beforeEach(() => {
    documents += 1
    name = `expiry/${documents}`
  })

  test('are asked for again, and cut off with 4401 when none comes', async () => {
    const socket = await openFrameSocket(server, name, { token: tokenFor('ann', { expiresInS: 3 }) })
    await socket.message(isRequest)
    const { code, reason } = await socket.closed
    expect({ code, reason }).toEqual({ code: CloseCode.Unauthorized, reason: 'the token has expired' })
    expect(socket.messages.filter(isRequest)).toHaveLength(1)
  })

  test('a y-websocket client is cut off with 4401, too', async () => {
    const token = tokenFor('ann', { expiresInS: 2 })
    const socket = await FrameSocket.open(server, { path: `/yjs/${name}?token=${token}` })
    expect((await socket.closed).code).toBe(CloseCode.Unauthorized)
  })

  test('a stock client gives the next one and goes on', async () => {
    let given = 0
    const client = openClient(server, name, {
      token: () => {
        given += 1
        return tokenFor('ann', { expiresInS: given === 1 ? 3 : 3600 })
      },
    })
    let disconnects = 0
    client.socket.on('disconnect', () => {
      disconnects += 1
    })
    await client.synced()
    await until(
      () => given === 2,
      (check) => client.provider.on('outgoingMessage', check),
    )
    // Long enough for the first one to end: another client's token of the same length has.
    const other = await openFrameSocket(server, name, { user: 'bob', token: tokenFor('bob', { expiresInS: 3 }) })
    expect((await other.closed).code).toBe(CloseCode.Unauthorized)
    client.text.insert(0, 'still here')
    await client.saved()
    expect(disconnects).toBe(0)
    client.destroy()
  })

  test("a new token's smaller grants take effect at once: write becomes read", async () => {
    const socket = await openFrameSocket(server, name, { token: tokenFor('ann') })
    socket.send(
      updateMessage(
        name,
        updateOf(77, (ydoc) => ydoc.getText('text').insert(0, 'a')),
      ),
    )
    await socket.message((message) => syncStatus(message) === true)
    socket.send(authMessage(name, tokenFor('ann', { access: { '**': 'read' } })))
    // The token is checked beside what follows it: the answer to this one tells when it has been.
    let refused = false
    for (let clock = 1; !refused; clock += 1) {
      const before = socket.messages.length
      socket.send(
        updateMessage(
          name,
          updateOf(77 + clock, (ydoc) => ydoc.getText('text').insert(0, 'b')),
        ),
      )
      const status = await socket.message(
        (message) => socket.messages.indexOf(message) >= before && syncStatus(message) !== undefined,
      )
      refused = syncStatus(status) === false
      expect(clock).toBeLessThan(10)
    }
    socket.send(authMessage(name, tokenFor('ann')))
    for (let clock = 1, taken = false; !taken; clock += 1) {
      const before = socket.messages.length
      socket.send(
        updateMessage(
          name,
          updateOf(177 + clock, (ydoc) => ydoc.getText('text').insert(0, 'c')),
        ),
      )
      const status = await socket.message(
        (message) => socket.messages.indexOf(message) >= before && syncStatus(message) !== undefined,
      )
      taken = syncStatus(status) === true
      expect(clock).toBeLessThan(10)
    }
    socket.destroy()
  })

  test.each<[string, () => string, number]>([
    ['no grant any more', () => tokenFor('ann', { access: { other: 'write' } }), CloseCode.Forbidden],
    ['of another user', () => tokenFor('bob'), CloseCode.Unauthorized],
    ['expired', () => tokenFor('ann', { expiresInS: -60 }), CloseCode.Unauthorized],
    ['garbage', () => 'garbage', CloseCode.Unauthorized],
    ['none', () => '', CloseCode.Unauthorized],
    [
      'with so many wrong claims that they fill no close frame',
      () =>
        jwt.sign(
          { access: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`x${index}`, 'own'])) },
          testSecret,
          { subject: 'ann', expiresIn: 60 },
        ),
      CloseCode.Unauthorized,
    ],
  ])('a new token that is %s closes the socket', async (_title, token, code) => {
    const socket = await openFrameSocket(server, name, { token: tokenFor('ann') })
    socket.send(authMessage(name, token()))
    expect((await socket.closed).code).toBe(code)
    await socket.ended
  })

  test('what a refused token closed, a good one opens again', async () => {
    const socket = await openFrameSocket(server, name, { token: tokenFor('ann') })
    socket.send(authMessage(name, 'garbage'))
    await socket.closed
    const again = await openFrameSocket(server, name, { token: tokenFor('ann') })
    expect(again.messages.some((message) => readMessage(message).type === MessageType.Auth)).toBe(true)
    again.destroy()
  })
})

describe('demo mode', () => {
  const refusesToStart = (environment: Record<string, string>) =>
    startServer({ environment: { JWT_SECRET: '', ...environment } }).then(
      (server) => server.stop().then(() => 'it started'),
      (error: Error) => error.message,
    )

  test('hands out tokens on loopback, for pages of loopback only', async () => {
    const server = await startServer({ demo: true })
    const response = await fetch(`${server.url}/api/demo/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'ann', name: 'Ann' }),
    })
    const { token, user } = (await response.json()) as { token: string; user: string }
    expect(user).toBe('ann')
    expect(await answerTo(server, token)).toBe('let in')
    // Of another server, that is with another secret.
    expect(await answerTo(server, tokenFor('ann'))).toBe('access/token-invalid')
    for (const origin of ['https://evil.example', 'null']) {
      await expect(FrameSocket.open(server, { headers: { Origin: origin } })).rejects.toThrow('403')
    }
    const page = await FrameSocket.open(server, { headers: { Origin: 'http://localhost:5173' } })
    page.destroy()
    const badBodies = [
      '{}',
      '{"name":""}',
      '{"name":"x","user":"a/b"}',
      '[]',
      'x',
      '{"name":1}',
      '{"__proto__":{"name":"x"}}',
    ]
    for (const body of badBodies) {
      const answer = await fetch(`${server.url}/api/demo/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      expect({ body, status: answer.status }).toEqual({ body, status: 400 })
    }
    expect(await server.stop()).toBe(0)
  })

  test('listens nowhere else, and production has none', async () => {
    expect(await refusesToStart({ HOST: '0.0.0.0' })).toMatch(/config\/invalid[\s\S]*HOST="0\.0\.0\.0".*loopback/)
    expect(await refusesToStart({ NODE_ENV: 'production' })).toMatch(
      /config\/invalid[\s\S]*production needs JWT_SECRET/,
    )
    expect(await refusesToStart({ JWT_PUBLIC_KEY: 'no key' })).toMatch(/config\/invalid[\s\S]*JWT_PUBLIC_KEY/)
  })

  test('`--help` prints every setting', async () => {
    const { exitCode, output } = await runCommand(temporaryFolder(), '--help')
    expect(exitCode).toBe(0)
    const { describeSettings } = await import('../../server/config.ts')
    for (const { name, meaning } of describeSettings()) {
      expect(output).toContain(name)
      expect(output).toContain(meaning)
    }
  })
})

test('the number of the token request is the one that stock clients know', () => {
  expect(AuthType.Token).toBe(0)
})
