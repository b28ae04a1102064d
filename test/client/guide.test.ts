import { execFile } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from '../browser/chromium.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { guideFiles, writeGuide } from './guide.ts'

const run = promisify(execFile)
const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await startServer({ demo: true })
  folder = writeGuide(server.url)
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('the guide’s files compile', async () => {
  expect(guideFiles().size).toBeGreaterThan(5)
  const { stdout } = await run(tsc, ['-p', folder]).catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
})

test('its bot writes, and knows that it is saved', async () => {
  const { stdout } = await run(process.execPath, [join(folder, 'bot.ts')])
  expect(stdout).toContain('saved: written by a robot, unsaved: 0')
})

test('its chat bot posts a message that the server has stored', async () => {
  const { stdout } = await run(process.execPath, [join(folder, 'chat-bot.ts')])
  expect(stdout).toContain('robot: The build is green.')
})

test('its bot in the lobby says what it does', async () => {
  const { stdout } = await run(process.execPath, [join(folder, 'lobby-bot.ts')])
  expect(stdout).toContain('robot busy building the docs')
})

test('its React application edits and chats with others', async () => {
  writeFileSync(join(folder, 'index.html'), '<div id="root"></div><script type="module" src="main.tsx"></script>')
  const application: ViteDevServer = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'error',
    cacheDir: join(folder, 'cache'),
    resolve: { dedupe: ['yjs', 'y-protocols', 'lib0', 'react', 'react-dom', '@tiptap/core', '@tiptap/pm'] },
    server: { port: 0, host: '127.0.0.1', hmr: false, watch: null, fs: { strict: false } },
  })
  await application.listen()
  const browser = await launchChromium()
  const open = async (user: string) => {
    const page = await (await browser.newContext()).newPage()
    await page.goto(`${application.resolvedUrls?.local[0]}?user=${user}`)
    await page.locator('.ProseMirror').waitFor()
    return page
  }
  const [ann, ben] = [await open('ann'), await open('ben')]
  await ann.locator('.ProseMirror').click()
  await ann.keyboard.type('written with the guide')
  await expect.poll(() => ben.locator('.ProseMirror').textContent()).toContain('written with the guide')
  await expect.poll(() => ann.getByRole('status').textContent()).toBe('Saved')
  await expect.poll(() => ben.getByRole('list', { name: 'People' }).textContent()).toContain('ann')
  await ben.getByRole('textbox', { name: 'Message' }).fill('well said')
  await ben.keyboard.press('Enter')
  await expect.poll(() => ann.getByRole('list', { name: 'Chat' }).textContent()).toContain('ben: well said')
  await expect.poll(() => ann.getByRole('list', { name: 'Team' }).textContent()).toContain('ben: online')
  await ben.getByRole('button', { name: 'Do not disturb' }).click()
  await expect.poll(() => ann.getByRole('list', { name: 'Team' }).textContent()).toContain('ben: busy')
  await browser.close()
  await application.close()
})
