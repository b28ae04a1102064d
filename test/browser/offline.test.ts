import { setTimeout } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cable } from '../support/cable.ts'
import { isSoak } from '../support/random.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { Acknowledgements } from './acknowledgements.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
})

const patience = { timeout: 60_000 }

/** What takes the network away from both, and gives it back. */
interface Outage {
  begin(): Promise<void>
  end(): Promise<void>
}

class Server {
  #running: TestServer

  static async start(): Promise<Server> {
    return new Server(await startServer({ demo: true }))
  }

  private constructor(running: TestServer) {
    this.#running = running
  }

  get running(): TestServer {
    return this.#running
  }

  async restart(): Promise<void> {
    this.#running = await this.#running.restart()
  }

  /** The letters of a document in the log of the server, which is killed for that. */
  async lettersOnDisk(name: string): Promise<string> {
    await this.#running.kill()
    const { [name]: ydoc } = await replayFromLog(this.#running.folder, [name])
    const text = String(ydoc?.getXmlFragment('default').toString())
    return sorted([text.replaceAll(/<[^>]*>/g, '')])
  }
}

function sorted(lines: readonly string[]): string {
  return [...lines.join('')].sort().join('')
}

function outageBy(how: 'the browser' | 'the server', server: Server, people: readonly DemoPage[]): Outage {
  const setOffline = (isOffline: boolean) => Promise.all(people.map(({ page }) => page.context().setOffline(isOffline)))
  return how === 'the browser'
    ? { begin: async () => void (await setOffline(true)), end: async () => void (await setOffline(false)) }
    : { begin: () => server.running.kill(), end: () => server.restart() }
}

// In the long form also where only the browser is: other tests cut that off too.
describe.each(isSoak ? (['the browser', 'the server'] as const) : (['the server'] as const))(
  'while %s is cut off',
  (how) => {
    test('[promise 2] pages are written in, reloaded and written in again, and all of it is merged once', async () => {
      const server = await Server.start()
      const url = `${server.running.url}/d/notes/offline`
      const ann = await DemoPage.open(browser, url, { name: 'Ann Archer' })
      const ben = await DemoPage.open(browser, url, { name: 'Ben Baker' })
      const acknowledgements = await Acknowledgements.watch(ann.page)
      await Promise.all([ann.installed(), ben.installed()])
      await ann.page.reload()
      await ann.write('0')
      await ann.expectStatus(/^Saved$/)
      await expect.poll(() => ben.lines(), patience).toEqual(['0'])

      const outage = outageBy(how, server, [ann, ben])
      await outage.begin()
      await Promise.all([ann.expectStatus(/^Offline$/), ben.expectStatus(/^Offline$/)])
      await ann.write('abc')
      await ann.expectStatus(/^Offline: 3 changes kept in this browser$/)
      await ben.write('xy')
      await ben.expectStatus(/^Offline: 2 changes kept in this browser$/)
      await ann.page.reload()
      await ann.text.waitFor()
      await expect.poll(() => ann.lines(), patience).toEqual(['0abc'])
      await ann.expectStatus(/^Offline: 3 changes kept in this browser$/)
      await ann.write('de')
      await ann.expectStatus(/^Offline: 5 changes kept in this browser$/)
      expect(await ben.lines()).toEqual(['0xy'])

      // The server takes all of it, and Ann's page is not told so far.
      const seen = await ann.watchStatus()
      acknowledgements.hold()
      await outage.end()
      const all = sorted(['0abcdexy'])
      await expect.poll(async () => sorted(await ben.lines()), patience).toBe(all)
      await ann.expectStatus(/^Saving…$/)
      await expect.poll(() => acknowledgements.held, patience).toBeGreaterThan(0)
      await setTimeout(1_000)
      expect(await seen()).not.toContain('Saved')
      acknowledgements.release()
      await Promise.all([ann.expectStatus(/^Saved$/), ben.expectStatus(/^Saved$/)])
      expect(
        (await seen()).filter((label) => !/^(Offline: 5 changes.*|Connecting…|Saving…|Saved)$/.test(label)),
      ).toEqual([])
      expect(await server.lettersOnDisk('notes/offline')).toBe(all)
      await expect.poll(() => ann.html(), patience).toBe(await ben.html())
      for (const person of [ann, ben]) await person.close()
    })

    test.runIf(isSoak)('[promise 2] the same over HTTP, where sockets are blocked', async () => {
      const server = await Server.start()
      const cable = await Cable.to(server.running)
      cable.blocksSockets = true
      const url = `${cable.url}/d/notes/offline`
      const [ann, ben] = await Promise.all([
        DemoPage.open(browser, url, { name: 'Ann Archer' }),
        DemoPage.open(browser, url, { name: 'Ben Baker' }),
      ])
      const pieces: string[] = []
      ann.page.on('request', (request) => {
        if (request.method() === 'POST' && request.url().includes('/api/sync/')) pieces.push(request.url())
      })
      await Promise.all([ann.installed(), ben.installed()])
      await ann.expectStatus(/^Saved$/)
      await ann.write('0')
      await ann.expectStatus(/^Saved$/)
      expect(pieces.length).toBeGreaterThan(0)
      await expect.poll(() => ben.lines(), patience).toEqual(['0'])

      const outage = outageBy(how, server, [ann, ben])
      await outage.begin()
      await Promise.all([ann.expectStatus(/^Offline$/), ben.expectStatus(/^Offline$/)])
      await ann.write('abc')
      await ben.write('xy')
      await ben.expectStatus(/^Offline: 2 changes kept in this browser$/)
      await ann.page.reload()
      await ann.text.waitFor()
      await ann.expectStatus(/^Offline: 3 changes kept in this browser$/)
      await ann.write('de')
      await ann.expectStatus(/^Offline: 5 changes kept in this browser$/)

      const before = pieces.length
      await outage.end()
      await Promise.all([ann, ben].map((person) => person.expectStatus(/^Saved$/, patience.timeout)))
      const all = sorted(['0abcdexy'])
      expect(await server.lettersOnDisk('notes/offline')).toBe(all)
      expect(pieces.length).toBeGreaterThan(before)
      for (const person of [ann, ben]) expect(sorted(await person.lines())).toBe(all)
      expect(await ann.html()).toBe(await ben.html())
      for (const person of [ann, ben]) await person.close()
      cable.close()
    })
  },
)

describe('one browser without a network', () => {
  test('two tabs of one person see each other’s edits, and each counts its own', async () => {
    const server = await Server.start()
    const url = `${server.running.url}/d/notes/tabs`
    const one = await DemoPage.open(browser, url, { name: 'Ann Archer' })
    await one.write('0')
    await one.expectStatus(/^Saved$/)
    const two = await one.openTab(url)
    await two.expectStatus(/^Saved$/)
    await one.page.context().setOffline(true)
    await Promise.all([one.expectStatus(/^Offline$/), two.expectStatus(/^Offline$/)])
    await one.write('ab')
    await expect.poll(() => two.lines(), patience).toEqual(['0ab'])
    await two.write('c')
    await expect.poll(() => one.lines(), patience).toEqual(['0abc'])
    await one.expectStatus(/^Offline: 2 changes kept in this browser$/)
    await two.expectStatus(/^Offline: 1 change kept in this browser$/)
    await one.page.context().setOffline(false)
    await Promise.all([one.expectStatus(/^Saved$/), two.expectStatus(/^Saved$/)])
    expect(await server.lettersOnDisk('notes/tabs')).toBe(sorted(['0abc']))
    expect(await one.lines()).toEqual(['0abc'])
    expect(await two.html()).toBe(await one.html())
    expect(two.problems).toEqual([])
    await one.close()
  })

  test('a second person neither sees nor sends what the first one has not sent', async () => {
    const server = await Server.start()
    const url = `${server.running.url}/d/notes/shared-computer`
    const person = await DemoPage.open(browser, url, { name: 'Ann Archer' })
    const become = async (name: string) => {
      const id = name.toLowerCase().replace(' ', '-')
      const me = JSON.stringify({ id, name, color: '#4a56c9' })
      await person.page.evaluate((identity) => localStorage.setItem('coweave:me', identity), me)
      await person.page.reload()
    }
    await person.installed()
    await person.write('0')
    await person.expectStatus(/^Saved$/)
    await person.page.context().setOffline(true)
    await person.expectStatus(/^Offline$/)
    await person.write('abc')
    await person.expectStatus(/^Offline: 3 changes kept in this browser$/)

    await become('Ben Baker')
    await person.expectStatus(/^Offline$/)
    expect(await person.text.count(), 'Ben has never had it here: nothing is shown, not even an empty text').toBe(0)
    await person.page.context().setOffline(false)
    await person.expectStatus(/^Saved$/)
    await expect.poll(() => person.lines(), patience).toEqual(['0'])
    await person.page.context().setOffline(true)
    await person.expectStatus(/^Offline$/)
    await person.write('xy')
    await person.expectStatus(/^Offline: 2 changes kept in this browser$/)
    await become('Ann Archer')
    await person.text.waitFor()
    await expect.poll(() => person.lines(), patience).toEqual(['0abc'])
    await person.expectStatus(/^Offline: 3 changes kept in this browser$/)
    await become('Ben Baker')
    await person.text.waitFor()
    await expect.poll(() => person.lines(), patience).toEqual(['0xy'])
    await person.expectStatus(/^Offline: 2 changes kept in this browser$/)

    await person.page.context().setOffline(false)
    await person.expectStatus(/^Saved$/)
    expect(await server.lettersOnDisk('notes/shared-computer')).toBe(sorted(['0xy']))
    await server.restart()
    await become('Ann Archer')
    await person.expectStatus(/^Saved$/)
    await expect.poll(async () => sorted(await person.lines()), patience).toBe(sorted(['0abcxy']))
    expect(await server.lettersOnDisk('notes/shared-computer')).toBe(sorted(['0abcxy']))
    await person.close()
  })
})
