import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { launchChromium } from './chromium.ts'

const source = fileURLToPath(new URL('../../editor-demo/minimal/main.ts', import.meta.url))
const polled = { timeout: 20_000 }

let server: TestServer
let browser: Browser

beforeAll(async () => {
  server = await startServer({ demo: true })
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

interface Guest {
  readonly page: Page
  readonly problems: string[]
}

/** The page in a profile of its own, as another person. */
async function visit(address: string): Promise<Guest> {
  const context = await browser.newContext()
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  await page.goto(server.url + address)
  await page.locator('.cm-content').waitFor()
  return { page, problems }
}

/** What is written; the caret of the other one stands in the line, with a name and characters of no width. */
async function textOf({ page }: Guest): Promise<string> {
  const text = await page.locator('.cm-content').evaluate((content) => {
    const copy = content.cloneNode(true)
    if (!(copy instanceof HTMLElement)) throw new Error('the editor is no element')
    for (const caret of copy.querySelectorAll('.cm-ySelectionCaret')) caret.remove()
    return [...copy.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\n')
  })
  return text.replaceAll(/[\u200b\u2060]/g, '')
}

const statusOf = ({ page }: Guest) => page.locator('#status').textContent()

async function write({ page }: Guest, text: string): Promise<void> {
  await page.locator('.cm-content').focus()
  await page.keyboard.press('Control+End')
  await page.keyboard.type(text)
}

test('two people type in the minimal editor: the text merges, and each sees the other’s caret', async () => {
  const [ann, ben] = [await visit('/minimal'), await visit('/minimal/')]
  await write(ann, 'const answer = 42')
  await expect.poll(() => statusOf(ann), polled).toBe('online, saved')
  const caret = ben.page.locator('.cm-ySelectionCaret')
  await caret.waitFor()
  expect(await caret.evaluate((element) => getComputedStyle(element).backgroundColor)).toBe('rgb(11, 110, 79)')
  expect(await ben.page.locator('.cm-ySelectionInfo').textContent()).toMatch(/^Guest \w{4}$/)
  await expect.poll(() => textOf(ben), polled).toBe('const answer = 42')

  await Promise.all([write(ann, '\n// by one'), write(ben, '\n// by two')])
  const sorted = (text: string) => [...text].sort().join('')
  const expected = sorted('const answer = 42\n// by one\n// by two')
  for (const guest of [ann, ben]) await expect.poll(async () => sorted(await textOf(guest)), polled).toBe(expected)
  await expect.poll(() => textOf(ben), polled).toBe(await textOf(ann))
  await expect.poll(() => statusOf(ben), polled).toBe('online, saved')

  await ann.page.reload()
  await expect.poll(() => textOf(ann), polled).toBe(await textOf(ben))
  for (const { page, problems } of [ann, ben]) {
    expect(problems).toEqual([])
    await page.context().close()
  }
})

test('the minimal editor is what it says: fewer than 60 lines', () => {
  expect(readFileSync(source, 'utf8').trimEnd().split('\n').length).toBeLessThan(60)
})
