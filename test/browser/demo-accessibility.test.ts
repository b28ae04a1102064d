import { randomUUID } from 'node:crypto'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isSoak } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { faults } from './axe.ts'
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

const screens = [
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 320 },
] as const
const moreScreens = [
  { colorScheme: 'dark', width: 1280 },
  { colorScheme: 'light', width: 320 },
] as const

test.each(isSoak ? [...screens, ...moreScreens] : screens)(
  'axe finds nothing serious, $colorScheme at $width px',
  async ({ colorScheme, width }) => {
    const options = { colorScheme, viewport: { width, height: 800 }, reducedMotion: 'reduce' } as const
    const url = `${server.url}/d/notes/axe-${randomUUID()}`
    const ann = await DemoPage.open(browser, url, { name: 'Ann Archer' }, options)
    const ben = await DemoPage.open(browser, url, { name: 'Ben Baker', color: '#0f766e' })
    const { page } = ann
    expect(await faults(page), 'an empty document').toEqual([])

    await ann.write('# Title\nSome **bold** words\n- [ ] a list\n\n> a quote\n\n')
    await ann.write('```\nsome code')
    await ben.page.getByRole('heading', { name: 'Title' }).click()
    await ann.caretOf('Ben Baker').waitFor()
    expect(await faults(page), 'a document with somebody else').toEqual([])

    const narrow = width < 860
    if (narrow) {
      await ann.button('Documents').click()
      await ann.button('Close').waitFor()
      expect(await faults(page), 'the drawer').toEqual([])
    }
    await page.getByRole('button', { name: /change your name/ }).click()
    expect(await faults(page), 'the dialog').toEqual([])
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    if (narrow) {
      await page.keyboard.press('Escape')
      await ann.button('Documents').waitFor()
    }

    await page.getByRole('button', { name: /people are here/ }).click()
    expect(await faults(page), 'the people').toEqual([])
    await page.keyboard.press('Escape')
    await page.getByRole('dialog', { name: 'People here' }).waitFor({ state: 'detached' })
    await page.getByRole('heading', { name: 'Title' }).dblclick()
    await ann.button('Link').click()
    await page.getByRole('textbox', { name: 'Address' }).waitFor()
    expect(await faults(page), 'the link').toEqual([])
    await page.keyboard.press('Escape')

    await page.context().setOffline(true)
    await ann.expectStatus(/^Offline/)
    expect(await faults(page), 'offline').toEqual([])
    await page.getByRole('button', { name: /check the connection$/ }).click()
    await page.getByRole('dialog', { name: 'The connection' }).getByText('1 of the checks failed.').waitFor()
    expect(await faults(page), 'the check of the connection').toEqual([])
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(overflow, 'nothing sticks out at the side').toBeLessThanOrEqual(0)
    for (const person of [ann, ben]) await person.close()
  },
)

test('the theme can be chosen, and is remembered', async () => {
  const ann = await DemoPage.open(browser, server.url, { name: 'Ann Archer' }, { colorScheme: 'light' })
  const background = () => ann.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
  const light = await background()
  await ann.page.getByRole('radio', { name: 'Dark' }).check({ force: true })
  await expect.poll(background).not.toBe(light)
  const dark = await background()
  await ann.page.reload()
  await ann.text.waitFor()
  expect(await background()).toBe(dark)
  await ann.close()
})
