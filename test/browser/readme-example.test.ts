import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { launchChromium } from './chromium.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The README's Tiptap example, as it stands there but for the port. */
function example(port: number): string {
  const [, code] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
  if (code === undefined) throw new Error('the README has no example')
  return code.replaceAll('127.0.0.1:1234', `127.0.0.1:${port}`)
}

let server: TestServer
let application: ViteDevServer
let browser: Browser
let folder: string

beforeAll(async () => {
  server = await startServer({ demo: true })
  // Inside of the project, so that its packages are found.
  mkdirSync(join(root, 'test-results'), { recursive: true })
  folder = mkdtempSync(join(root, 'test-results', 'readme-'))
  writeFileSync(join(folder, 'index.html'), '<div id="editor"></div><script type="module" src="example.js"></script>')
  writeFileSync(join(folder, 'example.js'), example(server.port))
  application = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'error',
    cacheDir: join(folder, 'cache'),
    server: { port: 0, host: '127.0.0.1', hmr: false, watch: null },
  })
  await application.listen()
  browser = await launchChromium()
})

afterAll(async () => {
  await browser.close()
  await application.close()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function openPage(): Promise<Page> {
  const page = await browser.newPage()
  await page.goto(application.resolvedUrls?.local[0] ?? '')
  await page.locator('.ProseMirror').waitFor()
  return page
}

test('the README’s example edits a document with others, carets shown', async () => {
  const [ann, ben] = [await openPage(), await openPage()]
  await ann.locator('.ProseMirror').click()
  await ann.keyboard.type('Written with the example of the README')
  await expect.poll(() => ben.locator('.ProseMirror').textContent()).toContain('Written with the example of the README')
  await expect.poll(() => ben.locator('.collaboration-carets__label').textContent()).toBe('Ann')
})

test('the README’s example is short', () => {
  const lines = example(1234)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^(import|\s*\/\/)/.test(line))
  expect(lines.length).toBeLessThanOrEqual(20)
})
