import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

const worker = readFileSync(new URL('../../editor-demo/public/service-worker.js', import.meta.url))
const polled = { timeout: 20_000 }

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
})

/** Resolves once the page's requests go through the worker, which has kept a build by then. */
async function whenControlled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready
    if (navigator.serviceWorker.controller === null)
      await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve))
  })
}

test('a page opens without the server, with the document that this browser has, and goes on when it is back', async () => {
  let server = await startServer({ demo: true })
  const url = `${server.url}/d/notes/train`
  const ann = await DemoPage.open(browser, url, { name: 'Ann Archer' })
  await ann.write('Written at home')
  await ann.expectStatus(/^Saved$/)
  await whenControlled(ann.page)
  await server.kill()

  await ann.page.reload()
  await expect.poll(() => ann.lines(), polled).toEqual(['Written at home'])
  await ann.expectStatus(/^Offline$/)
  await ann.write(', and on a train')
  await ann.expectStatus(/^Offline: 16 changes kept in this browser$/)
  await ann.restart()
  await ann.page.goto(url)
  await expect.poll(() => ann.lines(), polled).toEqual(['Written at home, and on a train'])
  await ann.expectStatus(/^Offline: 16 changes kept in this browser$/)
  await ann.page.goto(`${server.url}/d/notes/never-seen`)
  await ann.page.getByText('This browser has no copy of this document.').waitFor()

  await ann.page.goto(url)
  server = await server.restart()
  await ann.expectStatus(/^Saved$/)
  await ann.close()
  await server.stop()
})

/** A page of the shape of the demo's, whose builds can be told apart. */
class Builds {
  readonly #server: Server
  readonly url: string
  number = 1
  /** As if a deployment were half-way through. */
  manifestNumber: number | undefined

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `http://127.0.0.1:${port}/`
  }

  static async serve(): Promise<Builds> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the server has no port')
    const builds = new Builds(server, address.port)
    server.on('request', ({ url = '' }, response) => {
      const [type, body] = builds.#answer(url)
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': type, vary: 'Origin' }).end(body)
    })
    return builds
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #answer(url: string): [type: string, body: string | Buffer | undefined] {
    const { number, manifestNumber = number } = this
    if (url === '/')
      return [
        'text/html',
        `<h1></h1><p></p><script type="module" crossorigin src="/assets/main-${number}.js"></script>`,
      ]
    if (url === '/service-worker.js') return ['text/javascript', worker]
    if (url === '/favicon.svg') return ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>']
    if (url === '/assets/manifest.json') {
      const main = { file: `assets/main-${manifestNumber}.js`, src: 'index.html' }
      const later = { file: `assets/later-${manifestNumber}.js`, src: 'src/later.ts' }
      return ['application/json', JSON.stringify({ 'index.html': main, 'src/later.ts': later })]
    }
    if (url === `/assets/main-${number}.js`) return ['text/javascript', mainOf(number)]
    if (url === `/assets/later-${number}.js`) return ['text/javascript', `export const text = 'later ${number}'`]
    return ['text/plain', undefined]
  }
}

/** It loads a part of the build only when it is asked to. */
function mainOf(number: number): string {
  return `
    document.querySelector('h1').textContent = 'build ${number}'
    document.querySelector('h1').onclick = async () => {
      document.querySelector('p').textContent = (await import('/assets/later-${number}.js')).text
    }
    navigator.serviceWorker.register('/service-worker.js')`
}

test('a new build is shown at once, and kept as a whole before it takes the place of the last', async () => {
  const builds = await Builds.serve()
  const page = await browser.newPage()
  await page.goto(builds.url)
  await whenControlled(page)
  const keptFiles = () =>
    page.evaluate(async () => {
      const cache = await caches.open('coweave-demo-1')
      return (await cache.keys()).map(({ url }) => new URL(url).pathname).sort()
    })
  await expect.poll(keptFiles, polled).toEqual(['/', '/assets/later-1.js', '/assets/main-1.js', '/favicon.svg'])

  builds.number = 2
  builds.manifestNumber = 1
  await page.reload()
  expect(await page.locator('h1').textContent()).toBe('build 2')
  expect(await keptFiles(), 'a page and a manifest of two builds').toContain('/assets/main-1.js')

  builds.manifestNumber = 2
  await page.reload()
  await expect.poll(keptFiles, polled).toEqual(['/', '/assets/later-2.js', '/assets/main-2.js', '/favicon.svg'])
  builds.stop()
  await page.reload()
  expect(await page.locator('h1').textContent()).toBe('build 2')
  await page.locator('h1').click()
  await expect.poll(() => page.locator('p').textContent(), polled).toBe('later 2')
  await page.close()
})
