import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, tokenFor } from '../support/server.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
})

const polled = { timeout: 20_000 }

/** Opens the check and waits until it has ended. Returns what it says, a line a step. */
async function check({ page }: DemoPage, result: string): Promise<string[]> {
  await page.getByRole('button', { name: /check the connection$/ }).click()
  const dialog = page.getByRole('dialog', { name: 'The connection' })
  await dialog.getByRole('status').getByText(result).waitFor()
  return dialog.getByRole('listitem').evaluateAll((items) => items.map((item) => item.textContent ?? ''))
}

test('the state of saving leads to a check of the connection, which names what is wrong', async () => {
  const server = await startServer({ demo: true })
  const ann = await DemoPage.open(browser, `${server.url}/d/notes/check`, { name: 'Ann Archer' })
  await ann.expectStatus(/^Saved$/)
  expect(await check(ann, 'All is well.')).toEqual([
    expect.stringMatching(/^Server works/),
    expect.stringMatching(/^WebSocket works/),
    expect.stringMatching(/^Without WebSocket works/),
    expect.stringMatching(/^Access to this document works.*notes\/check/),
    expect.stringMatching(/^Round trip works/),
  ])
  await ann.page.keyboard.press('Escape')
  await ann.page.getByRole('dialog').waitFor({ state: 'detached' })

  await server.kill()
  await ann.expectStatus(/^Offline$/)
  const [http, ...others] = await check(ann, '1 of the checks failed.')
  expect(http).toMatch(/^Server does not work.*can not be reached/)
  for (const other of others) expect(other).toMatch(/not checked/)

  const back = await server.restart()
  await ann.button('Check again').click()
  await ann.page.getByRole('dialog').getByText('All is well.').waitFor()
  await expect.poll(() => ann.page.getByRole('dialog').getByRole('listitem').count(), polled).toBe(5)
  await ann.close()
  await back.stop()
})

test('it tells why a document can’t be opened', async () => {
  const server = await startServer()
  const token = tokenFor('rea', { access: { 'notes/other': 'read' } })
  const rea = await DemoPage.open(browser, `${server.url}/d/notes/other#token=${token}`, { name: 'unused' })
  await rea.page.goto(`${server.url}/d/notes/secret`)
  await rea.page.getByRole('heading', { name: 'No access' }).waitFor()
  const steps = await check(rea, '1 of the checks failed.')
  expect(steps.join('\n')).toMatch(/Access to this document does not work.*notes\/secret was denied/)
  await rea.close()
  await server.stop()
})
