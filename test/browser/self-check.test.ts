import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { DiagnoseOptions, Diagnosis } from '../../client/doctor.ts'
import { startProxy } from '../support/proxy.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { launchChromium } from './chromium.ts'

let app: Server
let server: TestServer
let browser: Browser
let origin = ''

beforeAll(async () => {
  const script = await bundle()
  app = createServer((request, response) => {
    if (request.url === '/doctor.js') response.setHeader('content-type', 'text/javascript').end(script)
    else response.setHeader('content-type', 'text/html').end('<script type="module" src="/doctor.js"></script>')
  }).listen(0, '127.0.0.1')
  await once(app, 'listening')
  const address = app.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  origin = `http://127.0.0.1:${address.port}`
  server = await startServer({ environment: { ALLOWED_ORIGINS: origin } })
  browser = await launchChromium()
})

afterAll(async () => {
  await browser.close()
  await server.stop()
  app.closeAllConnections()
  app.close()
})

/** The check as a module for browsers, which puts itself where a test can call it. */
async function bundle(): Promise<string> {
  const entry = 'virtual:self-check'
  const doctor = fileURLToPath(new URL('../../client/doctor.ts', import.meta.url))
  const output = await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, rollupOptions: { input: entry } },
    plugins: [
      {
        name: 'self-check',
        resolveId: (id) => (id === entry ? id : null),
        load: (id) =>
          id === entry
            ? `import { diagnose } from ${JSON.stringify(doctor)}\nglobalThis.selfCheck = (options) => Array.fromAsync(diagnose(options))`
            : null,
      },
    ],
  })
  const [first] = Array.isArray(output) ? output : [output]
  if (first === undefined || !('output' in first)) throw new Error('nothing was built')
  return first.output[0].code
}

/** What a page of the app finds. */
async function selfCheck(options: DiagnoseOptions): Promise<Record<string, Diagnosis>> {
  const page: Page = await browser.newPage()
  onTestFinished(() => page.close())
  await page.goto(origin)
  await page.waitForFunction(() => 'selfCheck' in globalThis)
  const found = await page.evaluate(
    (given): Promise<Diagnosis[]> => Reflect.get(globalThis, 'selfCheck')(given),
    options,
  )
  return Object.fromEntries(found.map((diagnosis) => [diagnosis.check, diagnosis]))
}

const ok = { outcome: 'ok' }
const failed = { outcome: 'failed' }

test('a page of another origin that is allowed reaches the server both ways', async () => {
  const found = await selfCheck({ url: server.url, token: tokenFor('ann') })
  expect(found).toMatchObject({ http: ok, socket: ok, 'http-fallback': ok, authentication: ok, echo: ok })
})

test('it goes over HTTP where a proxy refuses sockets', async () => {
  const proxy = await startProxy(server, { upgrades: 'refuse' })
  onTestFinished(() => proxy.close())
  const found = await selfCheck({ url: proxy.url, token: tokenFor('ann') })
  expect(found).toMatchObject({ http: ok, socket: failed, 'http-fallback': ok, authentication: ok, echo: ok })
  expect(found.echo?.detail).toContain('over HTTP')
})

test('a page whose origin is not allowed is told so', async () => {
  const strict = await startServer()
  onTestFinished(async () => {
    await strict.stop()
  })
  const found = await selfCheck({ url: strict.url, token: tokenFor('ann') })
  expect(found.http).toMatchObject({ outcome: 'failed', advice: expect.stringContaining('ALLOWED_ORIGINS') })
  expect(found.socket).toMatchObject({ outcome: 'skipped' })
})
