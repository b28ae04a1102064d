import { createEncoder, toUint8Array, writeVarString, writeVarUint } from 'lib0/encoding'
import type { Browser, Page, WebSocketRoute } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readFrame } from '../../client/frames.ts'
import { CloseCode } from '../../model/close-codes.ts'
import { encodeRefusal } from '../../model/refusals.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

const STATELESS = 5
const polled = { timeout: 20_000 }
const name = 'notes/refused'

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

/** Stands in for a server that refuses: the next edits of the document don't reach it, and are answered with why. */
async function refuseEdits(page: Page, reason: string): Promise<{ begin(): void; end(): void }> {
  let isRefusing = false
  const notice = createEncoder()
  writeVarString(notice, name)
  writeVarUint(notice, STATELESS)
  writeVarString(notice, encodeRefusal({ rule: 'test/refused', reason }))
  const refusal = Buffer.from(toUint8Array(notice))
  await page.routeWebSocket(/\/collab/, (socket) => {
    const upstream = socket.connectToServer()
    socket.onMessage((message) => {
      const frame = typeof message === 'string' ? undefined : readFrame(message)
      if (isRefusing && frame?.document === name && frame.kind === 'update') socket.send(refusal)
      else upstream.send(message)
    })
  })
  return {
    begin() {
      isRefusing = true
    },
    end() {
      isRefusing = false
    },
  }
}

test('a change that the server refuses is taken back and told, and its text can be kept', async () => {
  const ann = await DemoPage.open(browser, `${server.url}/d/notes/other`, { name: 'Ann Archer' })
  const edits = await refuseEdits(ann.page, 'it says too much')
  await ann.page.goto(`${server.url}/d/${name}`)
  await ann.text.waitFor()
  await ann.write('# Title\nallowed')
  await ann.expectStatus(/^Saved$/)
  edits.begin()
  await ann.write('!')

  const banner = ann.page.getByRole('alert')
  await banner.getByText('it says too much.').waitFor()
  await expect.poll(() => ann.lines(), polled).toEqual(['Title', 'allowed'])
  edits.end()
  const [download] = await Promise.all([
    ann.page.waitForEvent('download'),
    banner.getByRole('link', { name: 'Download your text' }).click(),
  ])
  expect(download.suggestedFilename()).toBe('refused.txt')
  const chunks: Buffer[] = []
  for await (const chunk of await download.createReadStream()) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).toBe('Title\nallowed!')
  await banner.getByRole('button', { name: 'Dismiss' }).click()
  await banner.waitFor({ state: 'detached' })

  await ann.write(', and more')
  await ann.expectStatus(/^Saved$/)
  const ben = await DemoPage.open(browser, `${server.url}/d/${name}`, { name: 'Ben Baker' })
  await expect.poll(() => ben.lines(), polled).toEqual(['Title', 'allowed, and more'])
  for (const person of [ann, ben]) await person.close()
})

test('a copy that can’t be merged is kept until it is discarded, for the server’s text', async () => {
  let isTaken = false
  const sockets = new Set<WebSocketRoute>()
  const refuse = (socket: WebSocketRoute) => socket.close({ code: CloseCode.ClientIdTaken, reason: 'taken' })
  const ann = await DemoPage.open(browser, `${server.url}/d/notes/elsewhere`, { name: 'Ann Archer' })
  await ann.page.routeWebSocket(/\/collab/, (socket) => {
    sockets.add(socket)
    if (isTaken) void refuse(socket)
    else socket.connectToServer()
  })
  await ann.page.goto(`${server.url}/d/notes/discarded`)
  await ann.text.waitFor()
  await ann.write('of all')
  await ann.expectStatus(/^Saved$/)
  isTaken = true
  for (const socket of sockets) await refuse(socket)
  await ann.write(', mine')
  const banner = ann.page.getByRole('alert')
  await banner.getByText('Can’t be merged.').waitFor()
  await ann.expectStatus(/^Not saved: 6 changes kept in this browser$/)
  expect(await ann.lines()).toEqual(['of all, mine'])

  isTaken = false
  ann.page.on('dialog', (dialog) => dialog.accept())
  await banner.getByRole('button', { name: 'Discard this browser’s copy' }).click()
  await expect.poll(() => ann.lines(), polled).toEqual(['of all'])
  await ann.expectStatus(/^Saved$/)
  await ann.page.reload()
  await ann.expectStatus(/^Saved$/)
  expect(await ann.lines()).toEqual(['of all'])
  await ann.close()
})
