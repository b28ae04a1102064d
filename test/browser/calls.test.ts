import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { isSoak } from '../support/random.ts'
import type { SeenCall } from './call/page.ts'
import { launchChromium } from './chromium.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const polled = { timeout: 45_000, interval: 200 }
const fakeDevices = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream']

let pages: ViteDevServer
let browser: Browser
let cacheDir: string

beforeAll(async () => {
  cacheDir = mkdtempSync(join(tmpdir(), 'coweave-test-'))
  pages = await createServer({
    root: join(root, 'test/browser/call'),
    configFile: false,
    logLevel: 'error',
    cacheDir,
    server: { port: 0, host: '127.0.0.1', hmr: false, watch: null, fs: { allow: [root] } },
  })
  await pages.listen()
  browser = await launchChromium(fakeDevices)
})

afterAll(async () => {
  await browser.close()
  await pages.close()
  rmSync(cacheDir, { recursive: true, force: true })
})

/** Who is there to be told something. What is for anybody else is lost. */
let parties = new Map<string, Page>()
/** Signals that wait to be delivered, while some do. */
let held: { text: string; deliver: () => Promise<void> }[] | undefined
const problems: string[] = []

afterEach(async () => {
  held = undefined
  for (const page of parties.values()) await page.close()
  parties = new Map()
  expect(problems.splice(0)).toEqual([])
})

/** A page that takes part as `self`; others reach it from now on. */
async function enter(self: string, media: 'audio' | 'video' = 'video', where = browser): Promise<Page> {
  const page = await where.newPage()
  page.on('pageerror', (error) => problems.push(`${self}: ${error.message}`))
  await page.exposeFunction('sendSignal', async (party: string, text: string) => {
    const deliver = async () => {
      // A page that is being closed or loaded anew hears nothing.
      await parties
        .get(party)
        ?.evaluate(([from, signal]) => window.page.deliver(from ?? '', signal ?? ''), [self, text])
        .catch(() => {})
    }
    if (held === undefined) await deliver()
    else held.push({ text, deliver })
  })
  await load(page, self, media)
  parties.set(self, page)
  return page
}

async function load(page: Page, self: string, media: 'audio' | 'video'): Promise<void> {
  await page.goto(pages.resolvedUrls?.local[0] ?? '')
  await page.waitForFunction(() => window.page !== undefined)
  await page.evaluate(
    ([name, kind]) => window.page.start(name ?? '', kind === 'audio' ? 'audio' : 'video'),
    [self, media],
  )
}

const meet = (page: Page, ...others: string[]) => page.evaluate((names) => window.page.setParties(names), others)

const seen = (page: Page): Promise<SeenCall> => page.evaluate(() => window.page.seen())
const framesOf = (page: Page) => page.evaluate(() => window.page.framesDecoded())
const waysOf = (page: Page) => page.evaluate(() => window.page.ways())

async function expectConnected(page: Page, others: number): Promise<void> {
  const states = async () => (await seen(page)).peers.map(({ connection }) => connection)
  await expect.poll(states, polled).toEqual(Array(others).fill('connected'))
}

/** Pictures move: each connection decodes more than it had. */
async function expectPictures(page: Page, others: number): Promise<void> {
  const before = await framesOf(page)
  const moved = async () => (await framesOf(page)).filter((frames, index) => frames > (before[index] ?? 0) + 5).length
  await expect.poll(moved, polled).toBe(others)
}

/** Stops the pages of a browser, as a lid that is closed. Returns what lets them go on. */
async function sleep(where: Browser): Promise<() => void> {
  const { processInfo } = await (await where.newBrowserCDPSession()).send('SystemInfo.getProcessInfo')
  const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id)
  for (const id of renderers) process.kill(id, 'SIGSTOP')
  return () => {
    for (const id of renderers) process.kill(id, 'SIGCONT')
  }
}

/** Chromium takes its time to give a connection up: in the long form of the tests. */
const long = test.runIf(isSoak)

describe('a call of two', () => {
  test('moves pictures and sound both ways, and ends', async () => {
    const [ann, bob] = [await enter('ann'), await enter('bob')]
    await Promise.all([meet(ann, 'ann', 'bob'), meet(bob, 'ann', 'bob')])
    for (const page of [ann, bob]) {
      await expectConnected(page, 1)
      await expectPictures(page, 1)
      await expect
        .poll(async () => (await page.evaluate(() => window.page.audioBytes()))[0], polled)
        .toBeGreaterThan(500)
    }
    expect(await seen(ann)).toEqual({
      isOver: false,
      microphone: 'on',
      camera: 'on',
      peers: [{ party: 'bob', connection: 'connected', audio: true, video: true }],
    })

    await ann.evaluate(() => window.page.hangUp())
    expect(await seen(ann)).toMatchObject({ isOver: true, microphone: 'off', camera: 'off', peers: [] })
    expect(await ann.evaluate(() => window.page.liveDevices())).toBe(0)
    expect(await waysOf(ann)).toEqual([])
    // It stays over.
    await meet(ann, 'bob')
    await ann.evaluate(() => window.page.setCameraOff(false))
    await ann.evaluate(() => window.page.hangUp())
    expect(await seen(ann)).toMatchObject({ isOver: true, camera: 'off', peers: [] })
    expect(await ann.evaluate(() => window.page.liveDevices())).toBe(0)
    await meet(bob, 'bob')
    expect(await seen(bob)).toMatchObject({ isOver: false, peers: [] })
    expect(await waysOf(bob)).toEqual([])
  })

  test('turns microphone and camera off and on, and the other one is told', async () => {
    const [ann, bob] = [await enter('ann'), await enter('bob')]
    await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
    await expectPictures(bob, 1)
    const ways = await waysOf(ann)
    await ann.evaluate(() => window.page.setMuted(true))
    await ann.evaluate(() => window.page.setCameraOff(true))
    expect(await seen(ann)).toMatchObject({ microphone: 'off', camera: 'off' })
    // The camera is let go of, the microphone is kept.
    expect(await ann.evaluate(() => window.page.liveDevices())).toBe(1)
    await expect.poll(async () => (await seen(bob)).peers, polled).toMatchObject([{ audio: false, video: false }])
    // No more pictures come: as many as a moment ago.
    let frames = -1
    const stands = async () => {
      const before = frames
      frames = (await framesOf(bob))[0] ?? 0
      return frames === before
    }
    await expect.poll(stands, { timeout: 20_000, interval: 1_000 }).toBe(true)
    await ann.evaluate(() => window.page.setMuted(false))
    await ann.evaluate(() => window.page.setCameraOff(false))
    await expect.poll(async () => (await seen(bob)).peers, polled).toMatchObject([{ audio: true, video: true }])
    await expectPictures(bob, 1)
    // Without anything negotiated anew.
    expect(await waysOf(ann)).toEqual(ways)
  })

  test('of sound alone takes pictures up later', async () => {
    const [ann, bob] = [await enter('ann', 'audio'), await enter('bob', 'audio')]
    await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
    await expectConnected(ann, 1)
    await expect.poll(async () => (await seen(ann)).peers, polled).toMatchObject([{ audio: true, video: false }])
    expect(await seen(bob)).toMatchObject({ microphone: 'on', camera: 'off' })
    await bob.evaluate(() => window.page.setCameraOff(false))
    await expectPictures(ann, 1)
  })

  test('comes about when one is there long before the other, and again when the other is loaded anew', async () => {
    const bob = await enter('bob')
    await meet(bob, 'ann')
    const ann = await enter('ann')
    await meet(ann, 'bob')
    for (const page of [ann, bob]) await expectPictures(page, 1)
    for (const [page, self, other] of [
      [ann, 'ann', 'bob'],
      [bob, 'bob', 'ann'],
    ] as const) {
      await load(page, self, 'video')
      await meet(page, other)
      await expectConnected(page, 1)
      for (const each of [ann, bob]) await expectPictures(each, 1)
    }
  })

  long('goes on when both offer to restart it at once', async () => {
    const [ann, bob] = [await enter('ann'), await enter('bob')]
    await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
    for (const page of [ann, bob]) await expectPictures(page, 1)
    const before = [await waysOf(ann), await waysOf(bob)]
    const waiting: typeof held = []
    held = waiting
    await Promise.all([ann, bob].map((page) => page.evaluate(() => window.page.restartIce())))
    await expect.poll(() => waiting.filter(({ text }) => text.includes('"offer"')).length, polled).toBe(2)
    held = undefined
    for (const { deliver } of waiting) await deliver()
    const settled = async () => {
      const [one] = await ann.evaluate(() => window.page.settled())
      const [other] = await bob.evaluate(() => window.page.settled())
      const isNew = one?.own !== before[0]?.[0] && other?.own !== before[1]?.[0]
      const isSame = one?.own === other?.others && one?.others === other?.own
      return [one?.state, other?.state, isNew, isSame]
    }
    await expect.poll(settled, polled).toEqual(['stable', 'stable', true, true])
    for (const page of [ann, bob]) {
      await expectConnected(page, 1)
      await expectPictures(page, 1)
    }
  })

  long('comes back after its connection broke', async () => {
    const [ann, bob] = [await enter('ann'), await enter('bob')]
    await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
    for (const page of [ann, bob]) await expectPictures(page, 1)
    const [way] = await waysOf(ann)
    await bob.evaluate(() => window.page.breakConnections())
    await expect.poll(async () => ![way, undefined].includes((await waysOf(ann))[0]), polled).toBe(true)
    for (const page of [ann, bob]) {
      await expectConnected(page, 1)
      await expectPictures(page, 1)
    }
  })

  long('comes back after a party was not there for a while', async () => {
    const sleeping = await launchChromium(fakeDevices)
    try {
      const [ann, bob] = [await enter('ann', 'video', sleeping), await enter('bob')]
      await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
      for (const page of [ann, bob]) await expectPictures(page, 1)
      const before = (await bob.evaluate(() => window.page.settled()))[0]?.own
      const wake = await sleep(sleeping)
      await expect.poll(async () => (await seen(bob)).peers[0]?.connection, polled).toBe('reconnecting')
      // So long that it is begun afresh, which nobody answers.
      await expect.poll(async () => (await bob.evaluate(() => window.page.settled())).length, polled).toBe(0)
      wake()
      for (const page of [ann, bob]) {
        await expectConnected(page, 1)
        await expectPictures(page, 1)
      }
      expect((await bob.evaluate(() => window.page.settled()))[0]?.own).not.toBe(before)
    } finally {
      await sleeping.close()
    }
  })

  test('is not disturbed by signals that make no sense, or of who does not take part', async () => {
    const [ann, bob] = [await enter('ann'), await enter('bob')]
    await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
    await expectPictures(ann, 1)
    const ways = await waysOf(ann)
    const nonsense = [
      null,
      1,
      'hello',
      [],
      {},
      { type: 'hello' },
      { session: 1, type: 'hello' },
      { session: 'x', type: 'description', description: { type: 'rollback' } },
      { session: 'x', type: 'description', description: { type: 'offer', sdp: 'x' } },
      { session: 'x', type: 'candidate', candidate: 'x' },
      { session: 'x', to: 'y', type: 'hello' },
      { session: 'x', to: 'y', type: 'sends', audio: false, video: false },
    ]
    await ann.evaluate((all) => {
      for (const signal of all) window.page.deliver('bob', JSON.stringify(signal))
      window.page.deliver('mallory', JSON.stringify({ session: 'x', type: 'hello' }))
    }, nonsense)
    await expectPictures(ann, 1)
    expect(await waysOf(ann)).toEqual(ways)
    expect((await seen(ann)).peers).toEqual([{ party: 'bob', connection: 'connected', audio: true, video: true }])
  })
})

test('a call of three is a connection between each two, and goes on without one of them', async () => {
  const names = ['ann', 'bob', 'cleo']
  const all: Page[] = []
  for (const name of names) {
    all.push(await enter(name))
    // Each is told of the others as they come.
    for (const page of all) await meet(page, ...names.slice(0, all.length))
  }
  for (const page of all) {
    await expectConnected(page, 2)
    await expectPictures(page, 2)
  }
  const [ann, bob, cleo] = all
  if (ann === undefined || bob === undefined || cleo === undefined) return expect.unreachable()
  await bob.evaluate(() => window.page.hangUp())
  for (const page of [ann, cleo]) {
    await meet(page, 'ann', 'cleo')
    await expectConnected(page, 1)
    await expectPictures(page, 1)
  }
  await expect(meet(ann, ...Array.from({ length: 6 }, (_, index) => `party${index}`))).rejects.toThrow('at most 6')
})

describe('devices', () => {
  test('a camera that is pulled out is missing, and the call goes on without it', async () => {
    const [ann, bob] = [await enter('ann'), await enter('bob')]
    await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
    await expectPictures(bob, 1)
    await ann.evaluate(() => window.page.unplugCamera())
    expect(await seen(ann)).toMatchObject({ microphone: 'on', camera: 'missing' })
    await expect.poll(async () => (await seen(bob)).peers, polled).toMatchObject([{ audio: true, video: false }])
    await ann.evaluate(() => window.page.setCameraOff(false))
    expect(await seen(ann)).toMatchObject({ camera: 'on' })
  })

  test('that the user forbids, or that are not there, are states; one sees the others all the same', async () => {
    const without = await launchChromium()
    try {
      const bob = await enter('bob')
      const ann = await enter('ann', 'video', without)
      await Promise.all([meet(ann, 'bob'), meet(bob, 'ann')])
      await expect.poll(async () => (await seen(ann)).camera, polled).toMatch(/^(denied|missing)$/)
      await expect.poll(async () => (await seen(ann)).microphone, polled).toMatch(/^(denied|missing)$/)
      await expectPictures(ann, 1)
      await expect.poll(async () => (await seen(bob)).peers, polled).toMatchObject([{ audio: false, video: false }])
      await ann.context().grantPermissions(['camera', 'microphone'])
      await ann.evaluate(() => window.page.setCameraOff(false))
      expect((await seen(ann)).camera).toBe('missing')
    } finally {
      await without.close()
    }
  })
})
