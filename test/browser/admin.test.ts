import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFailed, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { openClient, openYWebsocket, until } from '../support/clients.ts'
import { isSoak } from '../support/random.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { faults } from './axe.ts'
import { launchChromium } from './chromium.ts'

const polled = { timeout: 20_000 }

let server: TestServer
let browser: Browser

beforeAll(async () => {
  server = await startServer()
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

/** The page for admins, and what went wrong in it. */
async function openAdmin(options: BrowserContextOptions): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    const isRefused = message.text().includes('status of 40')
    if (message.type() === 'error' && !isRefused) problems.push(message.text())
  })
  onTestFailed(async ({ task }) => {
    await page.screenshot({ path: `test-results/${task.name.replaceAll(/\W+/g, '-')}.png` })
  })
  onTestFinished(() => context.close())
  const response = await page.goto(`${server.url}/admin`)
  expect(response?.headers()['content-security-policy']).toContain("default-src 'self'; connect-src 'self' ws: wss:;")
  return { page, problems }
}

/** A page must fit, and axe must find nothing serious. */
async function check(page: Page, what: string): Promise<void> {
  expect(await faults(page), what).toEqual([])
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  expect(overflow, `${what}: nothing sticks out at the side`).toBeLessThanOrEqual(0)
  const { SCREENSHOTS: folder } = process.env
  const { width = 0 } = page.viewportSize() ?? {}
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${what} ${width}.png`, fullPage: true })
}

const signIn = async (page: Page, token: string) => {
  await page.getByLabel('Admin token').fill(token)
  await page.getByRole('button', { name: 'Open' }).click()
}

test('charts move under load, and kick and erase do what they say', async () => {
  const { page, problems } = await openAdmin({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' })
  await signIn(page, tokenFor('eve'))
  await page.getByRole('alert').getByText('not an admin').waitFor()
  await check(page, 'the token')
  await signIn(page, tokenFor('root', { admin: true, access: {} }))
  const chart = (title: string) => page.locator('.chart').filter({ hasText: title })
  const pointsIn = async (title: string) => {
    const points = (await chart(title).locator('polyline').getAttribute('points')) ?? ''
    return points.split(' ').map((point) => Number(point.split(',')[1]))
  }
  await expect.poll(() => chart('Connections').locator('strong').textContent(), polled).toBe('0')
  const stored = await page.evaluate(() => [Object.keys(sessionStorage), JSON.stringify(localStorage)])
  expect(stored).toEqual([['coweave:admin-token'], expect.not.stringContaining('ey')])

  const ann = openClient(server, 'notes/load')
  const bob = openYWebsocket(server, 'notes/load', 'bob')
  onTestFinished(() => {
    ann.destroy()
    bob.destroy()
  })
  await ann.synced()
  await until(
    () => bob.synced,
    (check) => bob.on('sync', check),
  )
  await expect.poll(() => chart('Connections').locator('strong').textContent(), polled).toBe('2')
  const paragraph = new Y.XmlElement('paragraph')
  ann.ydoc.getXmlFragment('default').insert(0, [paragraph])
  ann.ydoc.getMap('settings').set('colour', 'green')
  let isTyping = true
  const typing = (async () => {
    while (isTyping) {
      ann.text.insert(0, 'x')
      await ann.saved()
    }
  })()
  await expect
    .poll(async () => Number(await chart('Updates a second').locator('strong').textContent()), polled)
    .toBeGreaterThan(0)
  await expect.poll(async () => new Set(await pointsIn('Updates a second')).size, polled).toBeGreaterThan(1)
  await expect.poll(async () => new Set(await pointsIn('Connections')).size, polled).toBeGreaterThan(1)
  expect((await pointsIn('Memory')).length).toBe((await pointsIn('Connections')).length)
  await check(page, 'charts')
  isTyping = false
  await typing

  await page.getByRole('link', { name: 'notes/load' }).click()
  const rows = page.locator('.rows tbody tr')
  await expect.poll(() => rows.first().locator('td').nth(2).textContent(), polled).toBe('ann')
  await page.getByRole('button', { name: 'Show what it says' }).click()
  await expect.poll(() => page.locator('.tree > li').allTextContents(), polled).toHaveLength(3)
  await page.locator('summary', { hasText: 'settings' }).click()
  await page.getByText('colour: "green"').waitFor()
  await page.locator('summary', { hasText: 'default' }).click()
  await page.getByText('<paragraph>').waitFor()
  await check(page, 'a document')

  const closed = new Promise((resolve) => {
    bob.on('connection-close', (event: { code: number } | null) => resolve(event?.code))
  })
  await page.getByRole('button', { name: 'Kick bob' }).click()
  const dialog = page.getByRole('dialog', { name: 'Kick bob?' })
  await dialog.getByText('Closes the connections of bob').waitFor()
  await check(page, 'a question')
  await dialog.getByRole('button', { name: 'Kick' }).click()
  expect(await closed).toBe(CloseCode.Forbidden)
  await page.getByText('bob was kicked.').waitFor()
  await expect.poll(() => page.locator('[data-user]').count(), polled).toBe(1)

  const denied = new Promise((resolve) => ann.provider.on('authenticationFailed', resolve))
  await page.getByRole('button', { name: 'Erase' }).click()
  const erasing = page.getByRole('dialog', { name: 'Erase notes/load for ever?' })
  await erasing.getByText('can’t be undone').waitFor()
  await erasing.getByRole('button', { name: 'Erase' }).click()
  await page.getByText('The document was erased.').waitFor()
  expect(await denied).toEqual({ reason: 'document/deleted' })
  await expect.poll(() => rows.count(), polled).toBe(0)
  await page.getByRole('link', { name: 'Audit log' }).click()
  const actions = page.locator('.audit li')
  await expect
    .poll(() => actions.allTextContents(), polled)
    .toEqual([
      expect.stringMatching(/root erase .*notes\/loaddone$/),
      expect.stringMatching(/root kick bob .*notes\/loaddone$/),
    ])
  await page.reload()
  await expect.poll(() => actions.count(), polled).toBe(2)
  expect(problems).toEqual([])
})

const screens = [{ colorScheme: 'dark', width: 390 }] as const
const moreScreens = [
  { colorScheme: 'light', width: 390 },
  { colorScheme: 'dark', width: 1280 },
] as const

test.each(isSoak ? [...screens, ...moreScreens] : screens)(
  'axe finds nothing serious, and all fits, $colorScheme at $width px',
  async ({ colorScheme, width }) => {
    const name = 'notes/a-document-with-quite-a-long-name/that-goes-on-and-on-in-its-second-part'
    const ann = openClient(server, name)
    onTestFinished(() => ann.destroy())
    await ann.synced()
    ann.text.insert(0, 'hello')
    await ann.saved()
    const { page, problems } = await openAdmin({ viewport: { width, height: 844 }, colorScheme })
    await check(page, 'the empty form')
    await signIn(page, tokenFor('root', { admin: true, access: {} }))
    await page.getByRole('link', { name }).waitFor()
    await check(page, 'the overview')
    await page.getByLabel('Any document').fill(name)
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByRole('button', { name: 'Show what it says' }).click()
    await page.locator('summary', { hasText: 'text' }).click()
    await page.getByText('"hello"').waitFor()
    await check(page, 'a document')
    await page.getByRole('link', { name: 'Users' }).click()
    await page.getByLabel('User id').fill('zoë')
    await page.getByRole('button', { name: 'Mute zoë' }).click()
    await page.getByRole('combobox', { name: 'How long' }).selectOption('an hour')
    await check(page, 'a question with a choice')
    await page.getByRole('dialog').getByRole('button', { name: 'Mute' }).click()
    const standing = page.locator('.documents li')
    await standing.getByText('may only read all documents').waitFor()
    await check(page, 'users')
    await page.getByRole('button', { name: 'Let zoë write' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Let write' }).click()
    await page.getByText('There are none.').waitFor()
    await page.getByRole('link', { name: 'Audit log' }).click()
    await page.locator('.audit li').first().getByText('unmute').waitFor()
    await check(page, 'the audit log')
    expect(problems).toEqual([])
  },
)
