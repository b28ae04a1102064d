import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isSoak } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { faults } from './axe.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

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

test('Ada looks at what was, sees who changed what, and restores it while Bob writes', async () => {
  const url = `${server.url}/d/notes/history`
  const ada = await DemoPage.open(browser, url, { name: 'Ada' }, { reducedMotion: 'reduce' })
  await ada.write('# Plan\nWe meet in Rome')
  await ada.page.keyboard.press('Control+Home') // her caret isn't where Bob writes
  await ada.expectStatus(/^Saved/)
  const bob = await DemoPage.open(browser, url, { name: 'Bob', color: '#0f766e' })
  await bob.write('!')
  await expect.poll(() => ada.lines(), polled).toEqual(['Plan', 'We meet in Rome!'])
  for (const _ of 'Rome!') await bob.page.keyboard.press('Backspace')
  await bob.page.keyboard.type('Oslo')
  await bob.expectStatus(/^Saved/)
  await expect.poll(() => ada.lines(), polled).toEqual(['Plan', 'We meet in Oslo'])

  const { page } = ada
  const then = page.locator('.history-text')
  await ada.button('History').click()
  const sessions = page.getByRole('list', { name: 'Sessions and versions' }).getByRole('button')
  await expect.poll(() => sessions.locator('.history-who').allTextContents(), polled).toEqual(['Bob', 'Ada'])

  // What Bob did, and what Ada had written before.
  await sessions.first().click()
  await expect.poll(() => spoken(then.locator('ins')), polled).toEqual([['Bob', 'Oslo']])
  expect(await spoken(then.locator('del'))).toEqual([['Bob', 'Rome']])
  expect(await faults(page), 'the changes').toEqual([])
  await ada.button('Who wrote what').click()
  await expect.poll(() => spoken(then.locator('.history-blame')), polled).toContainEqual(['Bob', 'Oslo'])
  expect(await spoken(then.locator('.history-blame'))).toContainEqual(['Ada', 'We meet in '])
  await ada.button('Show changes').click()
  const slider = page.getByRole('slider', { name: 'Position in the history' })
  await slider.press('Home')
  await then.getByText('There was no text yet.').waitFor()
  await ada.button('Play the history').click()
  await expect.poll(async () => (await lines(then))[0], polled).toMatch(/^P/)
  await ada.button('Pause').click()
  await sessions.last().click()
  await expect.poll(() => lines(then), polled).toEqual(['Plan', 'We meet in Rome'])

  await ada.button('Name this version').click()
  await page.getByRole('textbox', { name: /^Name of the version/ }).fill('Rome')
  await ada.button('Save').click()
  await ada.button('Rename Rome').click()
  await page.getByRole('textbox', { name: 'New name of Rome' }).fill('In Rome')
  await ada.button('Save').click()
  await expect.poll(() => sessions.locator('.history-who').allTextContents(), polled).toEqual(['Bob', 'In Rome', 'Ada'])
  await sessions.first().click()
  await page.getByText('edited by Bob').waitFor()
  await page.getByRole('combobox', { name: 'Which changes' }).selectOption('since In Rome')
  await expect.poll(() => spoken(then.locator('del')), polled).toEqual([['Bob', 'Rome']])
  await sessions.filter({ hasText: 'In Rome' }).click()
  await expect.poll(() => lines(then), polled).toEqual(['Plan', 'We meet in Rome'])

  // In a narrow window the list is a sheet, out of the way once something is chosen in it.
  await page.setViewportSize({ width: 320, height: 800 })
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  expect(await faults(page), 'a narrow window').toEqual([])
  await ada.button('Sessions').click()
  await sessions.first().waitFor()
  expect(await faults(page), 'the sheet').toEqual([])
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  expect(overflow, 'nothing sticks out at the side').toBeLessThanOrEqual(0)
  await page.keyboard.press('Escape')
  await sessions.first().waitFor({ state: 'detached' })
  await page.setViewportSize({ width: 1280, height: 800 })

  await ada.button('Restore this version').click()
  const question = page.getByRole('dialog')
  expect(await faults(page), 'the question').toEqual([])
  const written = writeUntil(bob, page.getByText('has been restored').waitFor())
  await question.getByRole('button', { name: 'Restore', exact: true }).click()
  const letters = await written
  await expect.poll(async () => (await ada.lines())[1], polled).toMatch(/^We meet in Rome[a-z]+$/)
  await expect.poll(async () => (await ada.lines()).join() === (await bob.lines()).join(), polled).toBe(true)
  const [, restored = ''] = await ada.lines()
  const kept = restored.slice('We meet in Rome'.length)
  expect(letters.endsWith(kept), `${restored} after ${letters}`).toBe(true)

  await ada.button('Undo the restore').click()
  await page.getByText('The restore has been undone.').waitFor()
  await expect.poll(async () => (await bob.lines())[1], polled).toContain('We meet in Oslo')
  expect((await bob.lines())[1], 'what Bob wrote since stays').toContain(kept)

  // While Ada is elsewhere, Bob goes on; she is told of it until she has looked.
  const seen = page.waitForResponse(
    (response) => response.url().endsWith('/seen') && response.request().method() === 'POST',
  )
  await seen
  await ada.restart()
  await bob.write(' and Ada is away')
  await bob.expectStatus(/^Saved/)
  const back = ada.page
  await back.setViewportSize({ width: 390, height: 800 })
  await back.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  await back.goto(url)
  await back.getByText('Bob changed this document since you last looked.').waitFor()
  expect(await faults(back), 'the notice').toEqual([])
  const seesMore = back.waitForResponse(
    (response) => response.url().endsWith('/seen') && response.request().method() === 'POST',
  )
  await ada.button('See what changed').click()
  const news = back.locator('.history-text')
  await expect.poll(() => spoken(news.locator('ins')), polled).toEqual([['Bob', ' and Ada is away']])
  await back.getByText('You are looking at what changed since you last looked').waitFor()
  expect(await faults(back), 'what changed').toEqual([])
  await seesMore
  await back.reload()
  await ada.text.waitFor()
  await ada.expectStatus(/^Saved/)
  expect(await back.getByText('since you last looked').count()).toBe(0)
  for (const person of [ada, bob]) await person.close()
})

test.runIf(isSoak)('earlier sessions come by scrolling, and stay when something new is written', async () => {
  const url = `${server.url}/d/notes/long-history`
  const options = { viewport: { width: 1280, height: 400 } }
  // A session of each row, and pages of one, in the place of hours of writing.
  const shortPages = (page: Page) =>
    page.route(/\/history\?/, (route) => {
      const asked = new URL(route.request().url())
      asked.searchParams.set('limit', '1')
      asked.searchParams.set('pause', '0')
      return route.continue({ url: asked.href })
    })
  const ada = await DemoPage.open(browser, url, { name: 'Ada' }, options, shortPages)
  for (const letter of 'twelve words') {
    await ada.write(letter)
    await ada.expectStatus(/^Saved/)
  }
  await ada.button('History').click()
  const sessions = ada.page.getByRole('list', { name: 'Sessions and versions' }).getByRole('listitem')
  await expect.poll(() => sessions.count(), polled).toBeGreaterThan(5)
  const earlier = ada.button('Show earlier')
  await earlier.waitFor()
  const scrollDown = () => ada.page.locator('.history-scroll').evaluate((list) => list.scrollTo(0, list.scrollHeight))
  await expect.poll(() => scrollDown().then(() => earlier.count()), polled).toBe(0)
  const all = await sessions.count()
  expect(all).toBeGreaterThanOrEqual(10)
  await ada.page.locator('.history-scroll').evaluate((list) => list.scrollTo(0, 0))
  await ada.write('!')
  await expect.poll(() => sessions.count(), polled).toBe(all + 1)
  await ada.close()
})

/** Types letters until something has happened, and then three more; gives all of them. */
async function writeUntil(demo: DemoPage, event: Promise<void>): Promise<string> {
  let happened = false
  const told = event.then(() => {
    happened = true
  })
  let letters = ''
  for (let left = 3; left > 0; left -= happened ? 1 : 0) {
    const letter = String.fromCharCode(97 + (letters.length % 26))
    await demo.page.keyboard.type(letter)
    letters += letter
  }
  await told
  return letters
}

/** Changes with who made them, without the words for screen readers. */
function spoken(changes: Locator): Promise<(string | undefined)[][]> {
  return changes.evaluateAll((elements) =>
    elements
      .filter((element): element is HTMLElement => element instanceof HTMLElement)
      .map((element) => {
        const label = element.querySelector('.history-label')?.textContent ?? ''
        return [element.dataset.person, element.textContent?.replace(label, '')]
      }),
  )
}

/** The text of then, a block a line, without what was deleted. */
function lines(then: Locator): Promise<string[]> {
  return then.evaluate((text) => {
    const copy = text.cloneNode(true)
    if (!(copy instanceof HTMLElement)) throw new Error('the text is no element')
    for (const extra of copy.querySelectorAll('.history-label, del')) extra.remove()
    return [...copy.children].map((block) => block.textContent ?? '')
  })
}
