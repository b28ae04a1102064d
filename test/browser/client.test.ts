import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { launchChromium } from './chromium.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const name = 'browser/one'

let server: TestServer
let application: ViteDevServer
let browser: Browser
let context: BrowserContext
let folder: string

/** A page that shows a document's text, and takes it from a text field; its user is in the address. */
function program(): string {
  const tokens = Object.fromEntries(['ann', 'bob'].map((user) => [user, tokenFor(user)]))
  return `
    import { connect } from '${join(root, 'client/index.ts')}'
    const user = location.hash.slice(1)
    const tokens = ${JSON.stringify(tokens)}
    const token = async () => tokens[user]
    const session = connect({ url: '${server.url}', user, token })
    const handle = session.document('${name}')
    const show = () => {
      const { status, ready, unsaved, kept } = handle.state.get()
      document.title = [status.kind, ready, unsaved, kept].join(' ')
      document.body.textContent = handle.ydoc.getText('text').toString()
    }
    handle.state.subscribe(show)
    handle.ydoc.on('update', show)
    show()
    window.write = (text) => handle.ydoc.getText('text').insert(handle.ydoc.getText('text').length, text)
    window.signOut = () => session.signOut({ erase: true })
  `
}

beforeAll(async () => {
  browser = await launchChromium()
  // Inside of the project, so that its packages are found.
  mkdirSync(join(root, 'test-results'), { recursive: true })
  folder = mkdtempSync(join(root, 'test-results', 'client-'))
  application = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'error',
    cacheDir: join(folder, 'cache'),
    server: { port: 0, host: '127.0.0.1', hmr: false, watch: null, fs: { allow: [root] } },
  })
  await application.listen()
  server = await startServer({ environment: { ALLOWED_ORIGINS: origin() } })
  writeFileSync(join(folder, 'index.html'), '<script type="module" src="program.js"></script><body></body>')
  writeFileSync(join(folder, 'program.js'), program())
  context = await browser.newContext()
})

afterEach(async () => {
  for (const page of context.pages()) await page.close()
})

afterAll(async () => {
  await browser.close()
  await application.close()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

function origin(): string {
  return new URL(application.resolvedUrls?.local[0] ?? '').origin
}

async function openPage(user: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${origin()}/#${user}`)
  return page
}

const title = (page: Page) => expect.poll(() => page.title(), { timeout: 20_000 })
const text = (page: Page) => expect.poll(() => page.locator('body').textContent(), { timeout: 20_000 })
const write = (page: Page, words: string) => page.evaluate(`write(${JSON.stringify(words)})`)

test('edits made with the server away survive a reload, reach the other tab, and are sent later', async () => {
  const page = await openPage('ann')
  await title(page).toBe('online true 0 true')
  await write(page, 'online')
  await title(page).toBe('online true 0 true')
  await server.kill()
  await title(page).toBe('offline true 0 true')
  await write(page, ', offline')
  await title(page).toBe('offline true 1 true')
  const tab = await openPage('ann')
  await text(tab).toBe('online, offline')
  await write(tab, ', in a tab')
  await text(page).toBe('online, offline, in a tab')
  await page.reload()
  await text(page).toBe('online, offline, in a tab')
  await title(page).toMatch(/^offline true [12] true$/)

  // Another user of this browser sees and sends nothing of it.
  const bob = await openPage('bob')
  await title(bob).toBe('offline false 0 true')
  await text(bob).toBe('')
  await page.close()
  await tab.close()
  server = await server.restart()
  await title(bob).toBe('online true 0 true')
  await text(bob).toBe('online')

  const back = await openPage('ann')
  await title(back).toBe('online true 0 true')
  await text(bob).toBe('online, offline, in a tab')
})

test('signing out can take everything off the device, also with another tab open', async () => {
  const tab = await openPage('ann')
  const page = await openPage('ann')
  await title(page).toBe('online true 0 true')
  await title(tab).toBe('online true 0 true')
  await page.evaluate('signOut()')
  await title(tab).toBe('online true 0 false')
  await tab.close()
  const names = () => page.evaluate(async () => (await indexedDB.databases()).map((database) => database.name ?? ''))
  await expect.poll(names).not.toContainEqual(expect.stringContaining('/ann/'))
  expect(await names()).toContainEqual(expect.stringContaining('/bob/'))
})

test('leaving is warned of only while an edit is in no safe place', async () => {
  const page = await openPage('ann')
  await title(page).toBe('online true 0 true')
  const warned = await page.evaluate(() => {
    const warns = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))
    const before = warns()
    Reflect.get(window, 'write')('x')
    return { before, after: warns() }
  })
  expect(warned).toEqual({ before: false, after: true })
  await expect
    .poll(() => page.evaluate(() => window.dispatchEvent(new Event('beforeunload', { cancelable: true }))))
    .toBe(true)
})
