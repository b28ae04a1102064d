import { AxeBuilder } from '@axe-core/playwright'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { isSoak } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

declare global {
  interface Window {
    testConnections: RTCPeerConnection[]
  }
}

const polled = { timeout: 45_000, interval: 200 }
const fakeDevices = [
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  '--auto-select-desktop-capture-source=Entire screen',
]

let server: TestServer
let browser: Browser
let rooms = 0
let people: DemoPage[] = []

beforeAll(async () => {
  server = await startServer({ demo: true, environment: { CALL_AWAY_TIME: '8000' } })
  browser = await launchChromium(fakeDevices)
})

afterEach(async () => {
  for (const person of people.splice(0)) if (!person.page.isClosed()) await person.close()
})

afterAll(async () => {
  await browser?.close()
  await server?.kill()
})

/** People in a document of their own, who have never met before. */
async function meet(names: readonly string[], where = server): Promise<DemoPage[]> {
  rooms += 1
  const url = `${where.url}/d/notes/call-${rooms}`
  people = await Promise.all(
    names.map((name) =>
      DemoPage.open(browser, url, { name: `${name} ${rooms}` }, {}, async (page) => {
        // The page tells nobody of its connections: statistics are for the test alone.
        await page.context().addInitScript(() => {
          window.testConnections = []
          window.RTCPeerConnection = class extends RTCPeerConnection {
            constructor(configuration?: RTCConfiguration) {
              super(configuration)
              window.testConnections.push(this)
            }
          }
        })
      }),
    ),
  )
  return people
}

async function openDirect(from: DemoPage, to: string): Promise<void> {
  await from.page.getByRole('button', { name: /people are here/ }).click()
  await from.page.getByRole('button', { name: `Message ${to} ${rooms}`, exact: true }).click()
}

async function call(from: DemoPage, to: string): Promise<void> {
  await openDirect(from, to)
  await from.button(`Call ${to} ${rooms}`).click()
}

/** Pictures that were decoded, of all connections that are open. */
function framesOf({ page }: DemoPage): Promise<number> {
  return page.evaluate(async () => {
    let frames = 0
    for (const connection of window.testConnections) {
      if (connection.signalingState === 'closed') continue
      for (const report of (await connection.getStats()).values()) {
        if (report.type === 'inbound-rtp' && report.kind === 'video') frames += report.framesDecoded ?? 0
      }
    }
    return frames
  })
}

/** Resolves once pictures of the other one move. */
async function expectMoving(person: DemoPage): Promise<void> {
  const before = await framesOf(person)
  await expect.poll(() => framesOf(person), polled).toBeGreaterThan(before + 5)
}

const entriesOf = ({ page }: DemoPage) => page.locator('.call-entry')
const windowOf = ({ page }: DemoPage) => page.locator('.call-window')

test('two people call each other, see each other move, one reloads and gets back in, and the log has the length', async () => {
  const [ann, ben] = await meet(['Ann', 'Ben'])
  if (ann === undefined || ben === undefined) return expect.fail()
  await call(ann, 'Ben')
  await ben.button('Answer').click()
  const answeredAt = Date.now()
  await Promise.all([expectMoving(ann), expectMoving(ben)])

  await ben.page.reload()
  await ben.text.waitFor()
  await Promise.all([expectMoving(ann), expectMoving(ben)])

  await ann.button('Mute').click()
  await expect.poll(() => ann.button('Mute').getAttribute('aria-pressed')).toBe('true')
  await ann.button('Camera off').click()
  await expect.poll(() => windowOf(ann).getByLabel('Your picture').count()).toBe(0)
  await ann.button('Camera off').click()
  await windowOf(ann).getByLabel('Your picture').waitFor()
  await expectMoving(ben)

  const share = ann.button('Share the screen')
  await share.click()
  await expect.poll(() => share.getAttribute('aria-pressed'), polled).toBe('true')
  await expectMoving(ben)
  await share.click()
  await expect.poll(() => share.getAttribute('aria-pressed')).toBe('false')
  await expectMoving(ben)

  await ben.button('End').click()
  const lastedMs = Date.now() - answeredAt
  await windowOf(ann).waitFor({ state: 'detached' })
  await entriesOf(ann).waitFor()
  const [, minutes = '', seconds = ''] = /^Call, (\d+):(\d\d),/.exec((await entriesOf(ann).textContent()) ?? '') ?? []
  const shownMs = (Number(minutes) * 60 + Number(seconds)) * 1000
  expect(Math.abs(shownMs - lastedMs)).toBeLessThan(5_000)
  await openDirect(ben, 'Ann')
  await entriesOf(ben).waitFor()
  expect(await entriesOf(ben).textContent()).toBe(await entriesOf(ann).textContent())
})

test.runIf(isSoak).each(['light', 'dark'] as const)('axe finds nothing serious in a call, %s', async (colorScheme) => {
  const [ann, ben] = await meet(['Ann', 'Ben'])
  if (ann === undefined || ben === undefined) return expect.fail()
  for (const { page } of people) await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
  await call(ann, 'Ben')
  await ben.button('Answer').waitFor()
  expect([await faultsIn(ann), await faultsIn(ben)], 'it rings').toEqual([[], []])
  await ben.button('Answer').click()
  await expectMoving(ann)
  expect(await faultsIn(ann), 'they talk').toEqual([])
  await ann.button('End').click()
  await entriesOf(ann).waitFor()
  expect(await faultsIn(ann), 'it is over').toEqual([])
})

async function faultsIn({ page }: DemoPage): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join()}`)
}

test('a call is declined, or cancelled', async () => {
  const [ann, ben] = await meet(['Ann', 'Ben'])
  if (ann === undefined || ben === undefined) return expect.fail()
  await call(ann, 'Ben')
  await ben.button('Decline').click()
  await expect.poll(() => entriesOf(ann).allTextContents(), polled).toEqual([expect.stringMatching(/^Call declined,/)])
  await ann.button(`Call ${`Ben ${rooms}`}`).click()
  await ben.button('Answer').waitFor()
  await windowOf(ann).getByRole('button', { name: 'Cancel' }).click()
  await windowOf(ben).waitFor({ state: 'detached' })
  await expect.poll(() => entriesOf(ann).allTextContents(), polled).toHaveLength(2)
  expect(await entriesOf(ann).last().textContent()).toMatch(/^Call cancelled,/)
})

test('who is in a call declines another', async () => {
  const [ann, ben, cem] = await meet(['Ann', 'Ben', 'Cem'])
  if (ann === undefined || ben === undefined || cem === undefined) return expect.fail()
  await call(ann, 'Ben')
  await ben.button('Answer').click()
  await expectMoving(ben)
  await call(cem, 'Ben')
  await expect.poll(() => entriesOf(cem).allTextContents(), polled).toEqual([expect.stringMatching(/^Call declined,/)])
  await expectMoving(ann)
  await ann.button('End').click()
})

test('a ringing call stops in all windows of a user when one of them answers', async () => {
  const [ann, ben] = await meet(['Ann', 'Ben'])
  if (ann === undefined || ben === undefined) return expect.fail()
  const other = await ben.openTab(ben.page.url())
  await call(ann, 'Ben')
  await Promise.all([ben.button('Answer').waitFor(), other.button('Answer').waitFor()])
  await other.button('Answer').click()
  await windowOf(ben).waitFor({ state: 'detached' })
  await expectMoving(other)
  await other.button('End').click()
})

test('a call whose caller’s browser dies stops ringing, and one that was answered is broken off', async () => {
  const [ann, ben] = await meet(['Ann', 'Ben'])
  if (ann === undefined || ben === undefined) return expect.fail()
  await call(ann, 'Ben')
  await ben.button('Answer').waitFor()
  await ann.page.context().close()
  await windowOf(ben).waitFor({ state: 'detached', timeout: 45_000 })
  await ben.close()

  const [cem, dan] = await meet(['Cem', 'Dan'])
  if (cem === undefined || dan === undefined) return expect.fail()
  await call(cem, 'Dan')
  await dan.button('Answer').click()
  await expectMoving(cem)
  await dan.page.context().close()
  await expect
    .poll(() => entriesOf(cem).allTextContents(), polled)
    .toEqual([expect.stringMatching(/^Call broken off, \d+:\d\d,/)])
})

test('a call that nobody answers is missed, also where the server restarts while it rings', async () => {
  const quick = await startServer({ demo: true, environment: { CALL_RING_TIME: '6000', DEMO_SECRET: 's'.repeat(40) } })
  const [ann, ben] = await meet(['Ann', 'Ben'], quick)
  if (ann === undefined || ben === undefined) return expect.fail()
  await openDirect(ben, 'Ann')
  await call(ann, 'Ben')
  await ben.button('Answer').waitFor()
  await quick.kill()
  const again = await quick.restart()
  await expect.poll(() => entriesOf(ben).allTextContents(), polled).toEqual([expect.stringMatching(/^Missed call,/)])
  await expect
    .poll(() => entriesOf(ann).allTextContents(), polled)
    .toEqual([expect.stringMatching(/^Call not answered,/)])
  await windowOf(ann).waitFor({ state: 'detached' })
  for (const person of people.splice(0)) await person.close()
  await again.kill()
})
