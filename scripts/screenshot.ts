/** Writes docs/screenshot.png, or the file it is given: the demo with two people in it. Needs a built demo. */
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { launchChromium } from '../test/browser/chromium.ts'
import { startServer } from '../test/support/server.ts'

const target = process.argv[2] ?? fileURLToPath(new URL('../docs/screenshot.png', import.meta.url))

const server = await startServer({ demo: true })
const browser = await launchChromium()
try {
  const ann = await visit(browser, { id: 'ann', name: 'Ann Lindqvist', color: '#7a45b5' })
  await write(ann, 'notes/welcome', ['# Welcome', 'Everything here is written together.'])
  await write(ann, 'notes/interviews', ['# Interview notes', 'Three calls this week.'])
  await write(ann, 'notes/launch-plan', [
    '# Launch plan',
    'What has to be true before the fourteenth. Edit freely: nobody’s words get lost, online or not.',
    '## Decisions',
    '- Ship the editor first, tables come later',
    'Keep the old export until spring',
    '',
    '## To do',
    '[ ] Write the release notes',
    'Ask Priya to check the upgrade guide',
    'Book a room for the retrospective',
    '',
    '> A promise is only worth what is on disk.',
  ])
  await ann.getByRole('checkbox', { name: /release notes/ }).check()

  const ben = await visit(browser, { id: 'ben', name: 'Ben Okafor', color: '#0f766e' })
  await open(ben, 'notes/launch-plan')
  const line = ben.getByText('Keep the old export until spring')
  await line.click()
  await ben.keyboard.press('End')
  for (const _ of 'until spring') await ben.keyboard.press('Shift+ArrowLeft')

  await ann.getByText('What has to be true').click()
  await ann.locator('.caret[data-name="Ben Okafor"]').waitFor()
  await ann.locator('.remote-selection').waitFor()
  await ann.getByRole('link', { name: 'Interview notes' }).waitFor()
  await ann.getByRole('button', { name: 'Ben Okafor, Online, in Launch plan' }).waitFor()
  await ann.getByTestId('save-status').getByText('Saved', { exact: true }).waitFor()
  await ann.mouse.move(1200, 700)
  await ann.screenshot({ path: target })
  process.stdout.write(`${target}\n`)
} finally {
  await browser.close()
  await server.stop()
}

interface Identity {
  readonly id: string
  readonly name: string
  readonly color: string
}

async function visit(browser: Browser, identity: Identity): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  })
  await context.addInitScript((me) => localStorage.setItem('coweave:me', me), JSON.stringify(identity))
  return context.newPage()
}

async function open(page: Page, name: string): Promise<void> {
  await page.goto(`${server.url}/d/${name}`)
  await page.locator('#editor').click()
}

async function write(page: Page, name: string, lines: readonly string[]): Promise<void> {
  await open(page, name)
  await page.keyboard.type(lines.join('\n'))
  await page.getByTestId('save-status').getByText('Saved', { exact: true }).waitFor()
}
