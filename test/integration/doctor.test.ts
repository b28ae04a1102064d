import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Diagnosis, diagnose } from '../../client/doctor.ts'
import { runDoctor } from '../../server/doctor/doctor.ts'
import { type ProxyOptions, startProxy } from '../support/proxy.ts'
import { runWith } from '../support/run-command.ts'
import { startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer({ environment: { ALLOWED_ORIGINS: 'https://app.example' } })
})

afterAll(() => server.stop())

/** `check: outcome`, in the order of the output, with what was printed. */
async function doctor(url: string, args: readonly string[] = [], environment: Readonly<Record<string, string>> = {}) {
  const { exitCode, output, errors } = await runWith(environment, 'doctor', url, ...args)
  return { exitCode, output, errors, outcomes: outcomesIn(output) }
}

function outcomesIn(output: string): Record<string, string> {
  return Object.fromEntries(
    [...output.matchAll(/^(ok|failed|skipped) +(\S+)/gm)].map(([, outcome, check]) => [check, outcome]),
  )
}

/** The same in this process, with less patience. */
async function quickDoctor(url: string, token?: string): Promise<{ output: string; outcomes: Record<string, string> }> {
  let output = ''
  await runDoctor(url, { token, timeoutMs: 700 }, (text) => {
    output += text
  }).catch((error: Error) => {
    output += error.message
  })
  return { output, outcomes: outcomesIn(output) }
}

async function proxied(options: ProxyOptions): Promise<string> {
  const proxy = await startProxy(server, options)
  onTestFinished(() => proxy.close())
  return proxy.url
}

/** A server that is not Coweave. */
async function other(status: number, body: string): Promise<string> {
  const http = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1')
  await once(http, 'listening')
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  const address = http.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}`
}

const healthy = { tcp: 'ok', http: 'ok', socket: 'ok', 'http-fallback': 'ok' }

describe('a server that is well', () => {
  test('passes every check, with a token that may read', async () => {
    const token = tokenFor('ann', { access: { 'notes/*': 'read' } })
    const { exitCode, output, outcomes } = await doctor(server.url, ['--token', token])
    expect(outcomes).toEqual({ dns: 'skipped', ...healthy, authentication: 'ok', echo: 'ok' })
    expect(output).toContain('the token opens notes/coweave-doctor, to read')
    expect(output).toMatch(/echo .*notes\/coweave-doctor answers over a socket in [\d.]+ ms/)
    expect(exitCode).toBe(0)
  })

  test('needs no token for all but the last two, and is found by name', async () => {
    const { exitCode, outcomes } = await doctor(`http://localhost:${server.port}/`)
    expect(outcomes).toEqual({ dns: 'ok', ...healthy, authentication: 'skipped', echo: 'skipped' })
    expect(exitCode).toBe(0)
  })

  test('is examined the same way by a page', async () => {
    const found: Diagnosis[] = []
    for await (const diagnosis of diagnose({ url: server.url, token: tokenFor('ann') })) found.push(diagnosis)
    expect(found.map(({ check, outcome }) => [check, outcome])).toEqual(
      ['http', 'socket', 'http-fallback', 'authentication', 'echo'].map((check) => [check, 'ok']),
    )
  })
})

describe('the network', () => {
  test('a name that nobody knows', async () => {
    const { exitCode, errors, outcomes } = await doctor('http://coweave.invalid')
    expect(outcomes).toMatchObject({ dns: 'failed', tcp: 'skipped', http: 'skipped', echo: 'skipped' })
    expect(errors).toContain('doctor/failed')
    expect(exitCode).toBe(1)
  })

  test('a port that is closed', async () => {
    const closed = await startServer()
    await closed.stop()
    const { exitCode, output, outcomes } = await doctor(closed.url)
    expect(outcomes).toMatchObject({ tcp: 'failed', http: 'skipped', socket: 'skipped' })
    expect(output).toMatch(/nothing listens on port \d+/)
    expect(exitCode).toBe(1)
  })

  test.each([
    ['a sign-in page', 200, '<h1>Sign in</h1>', 'sign-in page'],
    ['another server', 404, '{}', 'another server, or another path'],
    ['a proxy without a server', 502, 'Bad Gateway', 'does not reach the server'],
    ['a proxy that asks who you are', 401, '', 'asks who you are'],
  ])('%s in its place', async (_title, status, body, cause) => {
    const { output, outcomes } = await quickDoctor(await other(status, body))
    expect(outcomes).toMatchObject({ tcp: 'ok', http: 'failed', socket: 'skipped', 'http-fallback': 'skipped' })
    expect(output).toContain(cause)
  })

  test('what is no URL', async () => {
    for (const url of ['collab', 'ftp://collab.example.com']) {
      const { exitCode, errors } = await doctor(url)
      expect(errors).toContain('command/bad-argument')
      expect(exitCode).toBe(1)
    }
  })
})

describe('TLS', () => {
  const folder = temporaryFolder()
  const file = (name: string) => join(folder, name)
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

  /** A server whose certificate is signed by an authority, which trusted by whoever has it in NODE_EXTRA_CA_CERTS. */
  async function startSigned(host: string, ...validity: readonly string[]): Promise<TestServer> {
    const [key, request, certificate, extensions] = ['key', 'csr', 'crt', 'ext'].map((end) => file(`${host}.${end}`))
    if (!key || !request || !certificate || !extensions) throw new Error('no files')
    writeFileSync(extensions, `subjectAltName=${/^\d/.test(host) ? 'IP' : 'DNS'}:${host}`)
    openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${host}`)
    openssl(
      ...['x509', '-req', '-in', request, '-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial'],
      ...['-out', certificate, '-extfile', extensions, ...validity],
    )
    const signed = await startServer({ environment: { TLS_CERT: certificate, TLS_KEY: key } })
    onTestFinished(async () => {
      await signed.stop()
    })
    return signed
  }

  beforeAll(() => {
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      '/CN=Test authority',
      '-keyout',
      file('ca.key'),
      '-out',
      file('ca.crt'),
    )
  })

  const trusting = { NODE_EXTRA_CA_CERTS: file('ca.crt') }

  test('that is well passes all checks', async () => {
    const signed = await startSigned('127.0.0.1', '-days', '2')
    const { output, outcomes } = await doctor(
      `https://127.0.0.1:${signed.port}`,
      ['--token', tokenFor('ann')],
      trusting,
    )
    expect(outcomes).toEqual({ dns: 'skipped', tls: 'ok', ...healthy, authentication: 'ok', echo: 'ok' })
    expect(output).toMatch(/tls .*TLSv1\.3, certificate of 127\.0\.0\.1/)
  })

  test.each<[string, string, readonly string[], Readonly<Record<string, string>>, string]>([
    ['of an unknown authority', 'unknown.example', ['-days', '2'], {}, 'certificates between|does not know'],
    ['for another host', 'other.example', ['-days', '2'], trusting, 'for another host'],
    ['that has expired', '127.0.0.1', ['-days', '-1'], trusting, 'has expired'],
  ])('a certificate %s', async (_title, host, validity, environment, cause) => {
    const signed = await startSigned(host, ...validity)
    const { exitCode, output, outcomes } = await doctor(`https://127.0.0.1:${signed.port}`, [], environment)
    expect(outcomes).toMatchObject({ tcp: 'ok', tls: 'failed', http: 'skipped' })
    expect(output).toMatch(new RegExp(cause))
    expect(exitCode).toBe(1)
  })

  test('a certificate that is signed by itself', async () => {
    const files = { TLS_KEY: file('own.key'), TLS_CERT: file('own.crt') }
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-keyout',
      files.TLS_KEY,
      '-out',
      files.TLS_CERT,
    )
    const own = await startServer({ environment: files })
    const { output, outcomes } = await quickDoctor(`https://localhost:${own.port}`)
    expect(outcomes).toMatchObject({ tcp: 'ok', tls: 'failed', http: 'skipped' })
    expect(output).toContain('signed by itself')
    const plain = await quickDoctor(`http://localhost:${own.port}`)
    expect(plain.outcomes).toMatchObject({ tcp: 'ok', http: 'failed', socket: 'skipped' })
    await own.stop()
  })

  test('that is not there', async () => {
    const { output, outcomes } = await quickDoctor(`https://127.0.0.1:${server.port}`)
    expect(outcomes).toMatchObject({ tcp: 'ok', tls: 'failed', http: 'skipped' })
    expect(output).toContain('does not speak TLS')
  })
})

describe('WebSockets', () => {
  test('that a proxy refuses: the rest goes over HTTP', async () => {
    const url = await proxied({ upgrades: 'refuse' })
    const { exitCode, output, outcomes } = await doctor(url, ['--token', tokenFor('ann')])
    const expected = { dns: 'skipped', ...healthy, socket: 'failed', authentication: 'ok', echo: 'ok' }
    expect(outcomes).toEqual(expected)
    expect(output).toContain('HTTP 400 instead of a socket')
    expect(output).toContain('a proxy in between does not let WebSockets through')
    expect(output).toMatch(/answers over HTTP in/)
    expect(exitCode).toBe(1)
  })

  test('that a proxy accepts and swallows', async () => {
    const { output, outcomes } = await quickDoctor(await proxied({ upgrades: 'swallow' }), tokenFor('ann'))
    expect(outcomes).toMatchObject({ http: 'ok', socket: 'failed', 'http-fallback': 'ok', authentication: 'ok' })
    expect(output).toContain('swallows')
  })

  test('of a page whose origin is not allowed', async () => {
    const refused = await doctor(server.url, ['--origin', 'https://evil.example'])
    expect(refused.outcomes).toMatchObject({ http: 'ok', socket: 'failed' })
    expect(refused.output).toContain('HTTP 403 connection/origin')
    expect(refused.output).toContain('ALLOWED_ORIGINS')
    const allowed = await doctor(server.url, ['--origin', 'https://app.example'])
    expect(allowed.outcomes).toMatchObject({ socket: 'ok' })
  })

  test('where the rest is not passed on either', async () => {
    const { output, outcomes } = await quickDoctor(
      await proxied({ upgrades: 'refuse', buffers: true }),
      tokenFor('ann'),
    )
    expect(outcomes).toMatchObject({
      http: 'ok',
      socket: 'failed',
      'http-fallback': 'failed',
      authentication: 'skipped',
    })
    expect(output).toContain('turn buffering and caching off')
  })

  test('that a page can only see fail', async () => {
    const found: Diagnosis[] = []
    for await (const diagnosis of diagnose({ url: await proxied({}) })) found.push(diagnosis)
    const socket = found.find(({ check }) => check === 'socket')
    expect(socket).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('does not let WebSockets through'),
    })
  })
})

describe('a token', () => {
  test.each<[string, () => string, string]>([
    ['that has expired', () => tokenFor('ann', { expiresInS: -60 }), 'the token has ended'],
    ['signed with another key', () => jwt.sign({}, 'x'.repeat(40), { subject: 'ann', expiresIn: 60 }), 'another key'],
    ['without a grant', () => tokenFor('ann', { access: { 'chat/*': 'read' } }), '`access` does not cover'],
    ['that is none', () => 'a-password', 'is no JWT'],
  ])('%s', async (_title, token, cause) => {
    const { exitCode, output, outcomes } = await doctor(server.url, ['--token', token(), '--document', 'notes/plan'])
    expect(outcomes).toMatchObject({ socket: 'ok', authentication: 'failed', echo: 'skipped' })
    expect(output).toContain(cause)
    expect(exitCode).toBe(1)
  })
})
