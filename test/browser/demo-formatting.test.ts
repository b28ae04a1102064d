import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

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

let count = 0
/** A document with one line, all of it selected. */
async function openWith(text: string): Promise<DemoPage> {
  count += 1
  const demo = await DemoPage.open(browser, `${server.url}/d/notes/format-${count}`, { name: 'Ann Archer' })
  await demo.write(text)
  await demo.page.keyboard.press('Control+a')
  return demo
}

const buttons: [name: string, element: string, shortcut: string][] = [
  ['Heading 1', 'h1', 'Control+Alt+1'],
  ['Heading 2', 'h2', 'Control+Alt+2'],
  ['Heading 3', 'h3', 'Control+Alt+3'],
  ['Bold', 'strong', 'Control+b'],
  ['Italic', 'em', 'Control+i'],
  ['Strikethrough', 's', 'Control+Shift+s'],
  ['Code', 'p code', 'Control+e'],
  ['Bullet list', 'ul li', 'Control+Shift+8'],
  ['Numbered list', 'ol li', 'Control+Shift+7'],
  ['Task list', 'ul[data-type="taskList"] li', 'Control+Shift+9'],
  ['Quote', 'blockquote', 'Control+Shift+b'],
  ['Code block', 'pre code', 'Control+Alt+c'],
]

test('each button works by mouse, by keyboard and by its shortcut, and shows its state', async () => {
  const demo = await openWith('words')
  for (const [name, element, shortcut] of buttons) {
    const button = demo.button(name)
    const applied = demo.text.locator(element, { hasText: 'words' })

    await button.click()
    await applied.waitFor()
    await expect.poll(() => button.getAttribute('aria-pressed'), { timeout: 20_000, message: name }).toBe('true')
    await button.click()
    await applied.waitFor({ state: 'detached' })
    await expect.poll(() => button.getAttribute('aria-pressed'), { timeout: 20_000, message: name }).toBe('false')

    await button.focus()
    await demo.page.keyboard.press('Enter')
    await applied.waitFor()
    expect(await button.evaluate((element) => element === document.activeElement), `${name} keeps the focus`).toBe(true)
    await demo.page.keyboard.press('Escape') // back to the text
    await demo.page.keyboard.press(shortcut)
    await applied.waitFor({ state: 'detached' })
  }
  await demo.close()
})

test('the toolbar is one stop for Tab, with arrow keys inside', async () => {
  const demo = await openWith('words')
  const focused = () => demo.page.evaluate(() => document.activeElement?.getAttribute('aria-label'))
  await demo.page.keyboard.press('Alt+F10')
  expect(await focused()).toBe('Undo')
  await demo.page.keyboard.press('ArrowRight')
  expect(await focused()).toBe('Redo')
  await demo.page.keyboard.press('End')
  expect(await focused()).toBe('Code block')
  await demo.page.keyboard.press('ArrowRight')
  expect(await focused()).toBe('Undo')
  await demo.page.keyboard.press('ArrowLeft')
  await demo.page.keyboard.press('Tab')
  expect(await focused()).toBe('Document text')
  await demo.page.keyboard.press('Alt+F10')
  expect(await focused(), 'where it was left').toBe('Code block')
  expect(await demo.page.getByRole('toolbar').locator('[tabindex="0"]').count()).toBe(1)
  await demo.close()
})

test('buttons that can do nothing say so', async () => {
  const demo = await openWith('words')
  await demo.button('Code block').click()
  await expect.poll(() => demo.button('Bold').getAttribute('aria-disabled')).toBe('true')
  await demo.button('Bold').click({ force: true }) // Playwright would wait until it is possible
  expect(await demo.text.locator('strong').count()).toBe(0)
  await demo.close()
})

test('links are set, changed and removed; only the web and e-mail are allowed', async () => {
  const demo = await openWith('words')
  const link = demo.text.locator('a', { hasText: 'words' })
  const address = demo.page.getByRole('textbox', { name: 'Address' })

  await demo.page.keyboard.press('Control+k')
  await address.waitFor()
  expect(await address.evaluate((element) => element === document.activeElement)).toBe(true)
  await address.fill('javascript:alert(1)')
  await demo.page.keyboard.press('Enter')
  await demo.page.getByRole('alert').waitFor()
  await address.fill('example.org/page')
  await demo.page.keyboard.press('Enter')
  await link.waitFor()
  expect(await link.getAttribute('href')).toBe('https://example.org/page')

  await demo.button('Link').click()
  expect(await address.inputValue()).toBe('https://example.org/page')
  await address.fill('ann@example.org')
  await demo.button('Change').click()
  await expect.poll(() => link.getAttribute('href')).toBe('mailto:ann@example.org')

  await demo.button('Link').click()
  await demo.page.keyboard.press('Escape')
  await address.waitFor({ state: 'detached' })
  expect(await link.count()).toBe(1)
  await demo.button('Link').click()
  await demo.button('Remove').click()
  await link.waitFor({ state: 'detached' })
  await demo.close()
})

test('tasks can be ticked', async () => {
  const demo = await openWith('words')
  await demo.button('Task list').click()
  await demo.page.getByRole('checkbox', { name: 'Done: words' }).check()
  await demo.text.locator('li[data-checked="true"]').waitFor()
  await demo.expectStatus('Saved')
  await demo.close()
})
