import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

describe('the demo says what is true', () => {
  test('[promise 1] Saved, Saving…, Saved; with the server killed it counts, and all is merged when it is back', async () => {
    let server = await startServer({ demo: true })
    const open = (name: string) => DemoPage.open(browser, `${server.url}/d/notes/saving`, { name })
    const [ann, ben] = await Promise.all([open('Ann Archer'), open('Ben Baker')])
    await ann.expectStatus(/^Saved$/)
    const seen = await ann.watchStatus()
    await ann.write('safe')
    await ann.expectStatus(/^Saved$/)
    expect(await seen()).toEqual(['Saved', 'Saving…', 'Saved'])
    await expect.poll(() => ben.lines(), polled).toEqual(['safe'])

    await server.kill()
    await ann.expectStatus(/^Offline$/)
    await ann.write('!')
    await ann.expectStatus(/^Offline: 1 change kept in this browser$/)
    await ann.write('!!')
    await ann.expectStatus(/^Offline: 3 changes kept in this browser$/)
    await ben.expectStatus(/^Offline$/)
    await ben.write('??')
    await ben.expectStatus(/^Offline: 2 changes kept in this browser$/)

    server = await server.restart()
    await Promise.all([ann.expectStatus(/^Saved$/), ben.expectStatus(/^Saved$/)])
    const sorted = (lines: string[]) => [...lines.join('')].sort().join('')
    await expect.poll(async () => sorted(await ann.lines()), polled).toBe(sorted(['safe!!!??']))
    await expect.poll(() => ben.html(), polled).toBe(await ann.html())

    await server.kill()
    server = await server.restart()
    const cem = await open('Cem Cook')
    await expect.poll(() => cem.html(), polled).toBe(await ann.html())
    for (const person of [ann, ben, cem]) await person.close()
    await server.stop()
  })

  test('edits of a page that was closed offline are shown, counted and sent when it is opened again', async () => {
    let server = await startServer({ demo: true })
    const url = `${server.url}/d/notes/reload`
    const ann = await DemoPage.open(browser, url, { name: 'Ann Archer' })
    await ann.write('before')
    await ann.expectStatus(/^Saved$/)
    await server.kill()
    await ann.expectStatus(/^Offline$/)
    await ann.write(' and after')
    await ann.expectStatus(/^Offline: 10 changes kept in this browser$/)
    await ann.restart()

    server = await server.restart()
    // The page loads; its socket doesn't, so that what it says before the sync can be seen.
    await ann.page.routeWebSocket(/\/collab/, (socket) => socket.close({ code: 1013, reason: 'not yet' }))
    await ann.page.goto(url)
    await expect.poll(() => ann.lines(), polled).toEqual(['before and after'])
    await ann.expectStatus(/^Offline: 10 changes kept in this browser$/)

    await ann.restart()
    await ann.page.goto(url)
    await ann.expectStatus(/^Saved$/)
    const ben = await DemoPage.open(browser, url, { name: 'Ben Baker' })
    await expect.poll(() => ben.lines(), polled).toEqual(['before and after'])
    for (const person of [ann, ben]) await person.close()
    await server.stop()
  })

  test('without the network it says so at once, and comes back at once', async () => {
    const server = await startServer({ demo: true })
    const ann = await DemoPage.open(browser, `${server.url}/d/notes/network`, { name: 'Ann Archer' })
    await ann.expectStatus(/^Saved$/)
    await ann.page.context().setOffline(true)
    await ann.expectStatus(/^Offline$/)
    await ann.write('far away')
    await ann.expectStatus(/^Offline: 8 changes kept in this browser$/)
    await ann.page.context().setOffline(false)
    await ann.expectStatus(/^Saved$/)
    await ann.close()
    await server.stop()
  })

  test('where the browser keeps nothing, changes are not kept', async () => {
    const server = await startServer({ demo: true })
    const url = `${server.url}/d/notes/unkept`
    const ann = await DemoPage.open(browser, url, { name: 'Ann Archer' })
    await ann.page.addInitScript(() => Object.defineProperty(window, 'indexedDB', { value: undefined }))
    await ann.page.reload()
    await ann.expectStatus(/^Saved$/)
    await server.kill()
    await ann.write('!')
    await ann.expectStatus(/^Offline: 1 change not kept$/)
    await ann.page.close({ runBeforeUnload: false })
    await ann.close()
  })

  test('where the browser’s storage is full, changes are not kept, until there is room again', async () => {
    let server = await startServer({ demo: true })
    const url = `${server.url}/d/notes/full`
    let limitStorage = async (_quotaSize: number) => {}
    const ann = await DemoPage.open(browser, url, { name: 'Ann Archer' }, {}, async (page) => {
      const devtools = await page.context().newCDPSession(page)
      limitStorage = async (quotaSize) => {
        await devtools.send('Storage.overrideQuotaForOrigin', { origin: server.url, quotaSize })
      }
      await limitStorage(1_000_000)
    })
    await ann.write('before')
    await ann.expectStatus(/^Saved$/)
    await server.kill()
    await ann.expectStatus(/^Offline$/)
    const large = 'x'.repeat(3_000_000)
    await ann.page.keyboard.insertText(large)
    await ann.expectStatus(/^Offline: 1 change not kept$/)
    await ann.page.keyboard.insertText('!')
    await ann.expectStatus(/^Offline: 2 changes not kept$/)
    await limitStorage(1_000_000_000)
    await ann.page.keyboard.insertText('?')
    await ann.expectStatus(/^Offline: 3 changes kept in this browser$/)
    await ann.restart()
    server = await server.restart()
    await ann.page.goto(url)
    await ann.expectStatus(/^Saved$/)
    const [line = ''] = await ann.lines()
    expect([line.length, line.slice(0, 7), line.slice(-3)]).toEqual([3_000_008, 'beforex', 'x!?'])
    await ann.close()
    await server.stop()
  })

  test('a reader can’t write, and where nothing may be read, no text is shown', async () => {
    const server = await startServer()
    const wim = await DemoPage.open(browser, `${server.url}/d/notes/rights#token=${tokenFor('wim')}`, {
      name: 'unused',
    })
    await wim.write('Only to be read')
    await wim.expectStatus(/^Saved$/)
    expect(wim.page.url(), 'the token is not copied with the address').not.toContain('token')

    const reader = tokenFor('rea', { name: 'Rea Reader', access: { 'notes/rights': 'read' } })
    const rea = await DemoPage.open(browser, `${server.url}/d/notes/rights#token=${reader}`, { name: 'unused' })
    await rea.expectStatus(/^Read only$/)
    await expect.poll(() => rea.lines(), polled).toEqual(['Only to be read'])
    expect(await rea.text.getAttribute('contenteditable')).toBe('false')
    await wim.faceOf('Rea Reader').waitFor()
    await rea.page.goto(`${server.url}/d/notes/other`)
    await rea.page.getByRole('heading', { name: 'No access' }).waitFor()
    expect(await rea.text.count()).toBe(0)
    for (const person of [wim, rea]) await person.close()
    await server.stop()
  })

  test('without a token, or with an old one, it says what to do', async () => {
    const server = await startServer()
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${server.url}/d/notes/rights#token=${tokenFor('wim', { expiresInS: -60 })}`)
    await page.getByRole('heading', { name: 'Signed out' }).waitFor()
    await context.close()

    const guest = await browser.newContext()
    const empty = await guest.newPage()
    await empty.goto(server.url)
    await empty.getByRole('heading', { name: 'This server needs a token' }).waitFor()
    await guest.close()
    await server.stop()
  })
})
