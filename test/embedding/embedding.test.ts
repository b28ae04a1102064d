import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, IncomingMessage } from 'node:http'
import { connect, Socket } from 'node:net'
import { join } from 'node:path'
import { type Duplex, PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { attach } from '../../server/embedding/attachment.ts'
import { createCoweave } from '../../server/index.ts'
import { guideFiles, writeGuide } from '../client/guide.ts'
import { openClient, whenDocument } from '../support/clients.ts'
import { type Embedded, embeddedSettings, listen, PREFIX, portOf, startEmbedded } from '../support/embedded.ts'
import { isSoak } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { replayFromLog } from '../support/replay.ts'
import { documentPath, rest } from '../support/rest.ts'
import { databaseUrl, temporaryFolder, testSecret, tokenFor } from '../support/server.ts'

const run = promisify(execFile)

describe('on an HTTP server with other routes', () => {
  let server: Embedded
  const folder = temporaryFolder()
  const lateRequests: unknown[] = []
  beforeAll(async () => {
    server = await startEmbedded({ settings: { DATABASE_URL: databaseUrl(folder) } }, (request, response) => {
      response.end(`the product at ${request.url}`)
    })
    server.host.on('request', ({ url }) => lateRequests.push(url))
  })
  afterAll(() => server.stop())

  test('requests below the prefix are its own, and all others the product’s', async () => {
    const { status, body } = await rest(server, documentPath('notes/a', '?format=markdown'), {
      method: 'PUT',
      body: 'hello',
    })
    expect([status, body]).toEqual([201, { position: 1, changed: true }])
    expect((await rest(server, '/api/documents')).body).toMatchObject({ documents: [{ name: 'notes/a' }] })
    expect((await rest(server, '/nothing')).body).toMatchObject({ code: 'http/not-found' })
    expect(await (await fetch(`${server.url}?a=b`)).text()).toContain('http/not-found')
    expect(lateRequests).toEqual([])
    const others = ['/', '/api/documents', `${PREFIX}s/api`, `/other${PREFIX}`]
    for (const path of others) {
      expect(await (await fetch(`http://127.0.0.1:${server.port}${path}`)).text()).toBe(`the product at ${path}`)
    }
    expect(lateRequests).toEqual(others)
  })

  test('so are upgrades; one that nobody takes is answered', async () => {
    const url = `ws://127.0.0.1:${server.port}`
    const refusal = async (path: string) => {
      const [error] = await once(new WebSocket(url + path), 'error').catch((problem: unknown) => [problem])
      return String(error)
    }
    expect(await refusal('/collab')).toContain('404')
    expect(await refusal(`${PREFIX}/other`)).toContain('404')
    const taken = once(server.host, 'upgrade')
    const other = new WebSocket(`${url}/other`).on('error', () => {})
    const [{ url: path }] = await taken
    expect(path).toBe('/other')
    other.terminate()
    const [ann, ben] = [openClient(server, 'notes/b'), openClient(server, 'notes/b', { user: 'ben' })]
    await Promise.all([ann.synced(), ben.synced()])
    ann.text.insert(0, 'hello')
    await whenDocument(ben.ydoc, () => ben.text.toString() === 'hello')
    for (const client of [ann, ben]) client.destroy()
  })

  test('so it is where several are attached, and one that is gone by then does no harm', async () => {
    const host = createServer()
    const upgrade = (_request: IncomingMessage, socket: Duplex) => socket.end('HTTP/1.1 418 Taken\r\n\r\n')
    const ends = ['/one', '/two'].map((prefix) => attach(host, prefix, { upgrade }))
    const port = await listen(host)
    const answerTo = async (path: string) => {
      const socket = connect(port, '127.0.0.1')
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
      return (await text(socket)).split('\r\n')[0]
    }
    expect(await Promise.all(['/one', '/two', '/three'].map(answerTo))).toEqual([
      'HTTP/1.1 418 Taken',
      'HTTP/1.1 418 Taken',
      'HTTP/1.1 404 Not Found',
    ])
    const gone = new PassThrough()
    host.emit('upgrade', new IncomingMessage(new Socket()), gone, Buffer.alloc(0))
    expect(gone.emit('error', new Error('ECONNRESET'))).toBe(true)
    ends[0]?.()
    expect(await Promise.all(['/one', '/two'].map(answerTo))).toEqual(['HTTP/1.1 404 Not Found', 'HTTP/1.1 418 Taken'])
    host.close()
  })

  test('makes tokens', async () => {
    const token = server.coweave.sign({ user: 'cleo', name: 'Cleo', access: { 'notes/*': 'read' } }, 60)
    const get = (name: string) =>
      fetch(server.url + documentPath(name), { headers: { authorization: `Bearer ${token}` } })
    expect((await get('notes/a')).status).toBe(200)
    expect((await get('secret/a')).status).toBe(403)
  })

  test('[promise 1] stopping commits what was taken and sends clients away; the product goes on', async () => {
    const client = await RawClient.open(server, 'notes/c')
    const text = client.ydoc.getText('text')
    text.insert(0, 'x')
    await client.saved()
    for (let index = 0; index < 50; index += 1) text.insert(0, 'x')
    await Promise.all([server.coweave.drain(), server.coweave.stop(), server.coweave.stop()])
    expect(await client.closed).toMatchObject({ code: 1001 })
    const { 'notes/c': stored } = await replayFromLog(folder, ['notes/c'])
    expect(client.acknowledged).toBeGreaterThan(0)
    expect(stored.getText('text').length).toBeGreaterThanOrEqual(client.acknowledged)
    expect(await (await fetch(`http://127.0.0.1:${server.port}/`)).text()).toBe('the product at /')
    expect(await (await fetch(`${server.url}/api/documents`)).text()).toBe(`the product at ${PREFIX}/api/documents`)
  })
})

test('as a plugin it starts and stops with its Fastify', async () => {
  const coweave = await createCoweave({ settings: embeddedSettings() })
  const app = Fastify({ forceCloseConnections: true })
  app.get('/', async () => 'the product')
  await app.register(async (scope) => scope.register(coweave.plugin, { prefix: '/inner' }), { prefix: '/outer' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const port = portOf(app.server.address())
  const at = { url: `http://127.0.0.1:${port}/outer/inner`, socketUrl: `ws://127.0.0.1:${port}/outer/inner/collab` }
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('the product')
  const written = await rest(at, documentPath('notes/a'), { method: 'PUT', body: 'hello' })
  expect(written.body).toEqual({ position: 1, changed: true })
  expect((await fetch(at.url)).status).toBe(404)
  const headers = { authorization: `Bearer ${tokenFor('ann')}` }
  const injected = await app.inject({ url: `/outer/inner${documentPath('notes/a', '?format=markdown')}`, headers })
  expect(injected.body).toBe('hello\n')
  const client = await RawClient.open(at, 'notes/a')
  expect(client.ydoc.getXmlFragment('default').toString()).toBe('<paragraph>hello</paragraph>')
  await app.close()
  expect(await client.closed).toMatchObject({ code: 1001 })
})

test('on its own it listens itself', async () => {
  const coweave = await createCoweave({
    settings: embeddedSettings({ PORT: 0, ALLOWED_ORIGINS: ['https://a.example'] }),
  })
  const port = await coweave.start()
  const response = await fetch(`http://127.0.0.1:${port}/health/ready`, { headers: { origin: 'https://a.example' } })
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, 'https://a.example'])
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404)
  // It is not the first one in this process.
  expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toMatch(/^process_cpu_seconds_total /m)
  await coweave.stop()
})

test('settings that are wrong are refused, and so is a demo on another server', async () => {
  const server = Fastify().server
  const misspelt: Record<string, string> = { JWT_SECRETS: testSecret }
  const refused: [object, RegExp][] = [
    [{ settings: misspelt }, /JWT_SECRETS/],
    [{ settings: { PORT: 70_000 } }, /65535/],
    [{ settings: {}, server }, /needs JWT_SECRET/],
    [{ settings: { JWT_SECRET: testSecret }, server, prefix: '/' }, /prefix/],
    [{ settings: { JWT_SECRET: testSecret }, server, prefix: 'x' }, /prefix/],
  ]
  for (const [options, message] of refused) {
    await expect(createCoweave(options)).rejects.toMatchObject({
      code: 'config/invalid',
      message: expect.stringMatching(message),
    })
  }
})

describe('the guide', () => {
  const folder = writeGuide('', 'docs/embedding.md')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('compiles, and its files serve', async () => {
    const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))
    const checked = isSoak ? await run(tsc, ['-p', folder]).catch((error: { stdout: string }) => error) : undefined
    expect(checked?.stdout ?? '').toBe('')
    const homes: Record<string, string | undefined> = {
      'embedded.ts': "the product's page at /",
      'plugin.ts': 'the product',
    }
    const serve = async (file: string) => {
      const child = spawn(process.execPath, [join(folder, file)], {
        env: { ...process.env, PORT: '0', JWT_SECRET: testSecret, DATABASE_URL: databaseUrl(temporaryFolder()) },
      })
      const [line] = await once(child.stdout, 'data')
      const [, port] = /port: (\d+)/.exec(String(line)) ?? []
      const url = `http://127.0.0.1:${port}`
      const home = homes[file]
      if (home !== undefined) expect(await (await fetch(url)).text()).toBe(home)
      const { status } = await rest({ url: home === undefined ? url : `${url}/collaboration` }, '/api/documents')
      expect(status).toBe(200)
      child.kill('SIGTERM')
      expect(await once(child, 'exit')).toEqual([0, null])
    }
    const files = [...guideFiles('docs/embedding.md').keys()]
    expect(files).toEqual(['embedded.ts', 'plugin.ts', 'authorize.ts', 'seed.ts', 'rules.ts'])
    await Promise.all((isSoak ? files : Object.keys(homes)).map(serve))
  })
})
