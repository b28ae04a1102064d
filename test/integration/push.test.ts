import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { openLog } from '../../persistence/open-log.ts'
import { MAX_SUBSCRIPTIONS } from '../../server/http/push.ts'
import { newVapidKeys } from '../../server/push/vapid.ts'
import { closeSessions, openSession } from '../support/client-session.ts'
import { ask, notify, openInbox } from '../support/inbox.ts'
import { Instances } from '../support/instances.ts'
import { askPush, senderOf, subscribe, type TestBrowser, TestPushService } from '../support/push-service.ts'
import { databaseUrl, startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'

const { publicKey, privateKey } = newVapidKeys()
/** As a y-websocket client asks for an empty document's content. */
const syncStep1 = Buffer.from([0, 0, 1, 0])
const subject = 'mailto:operator@example.org'

let service: TestPushService
let environment: Record<string, string>
let server: TestServer
beforeAll(async () => {
  service = await TestPushService.start()
  environment = {
    VAPID_PUBLIC_KEY: publicKey,
    VAPID_PRIVATE_KEY: privateKey,
    VAPID_SUBJECT: subject,
    PUSH_HOSTS: service.origin,
    PUSH_DELAY: '200',
  }
  server = await startServer({ environment })
})
afterAll(async () => {
  await server.stop()
  service.close()
})

async function browserOf(user: string, on: Pick<TestServer, 'url'> = server): Promise<TestBrowser> {
  const browser = service.browser()
  await subscribe(on, user, browser)
  return browser
}

async function measured({ url }: Pick<TestServer, 'url'>, name: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(metrics)?.[1])
}

describe('a notification', () => {
  test('is pushed to each browser of who is not connected: encrypted, signed, with all it says', async () => {
    const [phone, laptop] = [await browserOf('ann'), await browserOf('ann')]
    const other = await browserOf('bob')
    const given = { kind: 'order', title: 'On its way 📦', body: 'It left today.', link: '/orders/7' }
    const { body } = await notify(server, { to: ['ann', 'nobody'], ...given })
    for (const browser of [phone, laptop]) {
      await browser.whenTitles(given.title)
      const [push] = browser.received
      if (push === undefined) return expect.unreachable()
      expect(push.payload).toEqual({ id: body.id, ...given, at: expect.any(Number) })
      expect(push.headers).toMatchObject({ 'content-encoding': 'aes128gcm', urgency: 'normal' })
      expect(push.headers.topic).toMatch(/^[\w-]{32}$/)
      expect(Number(push.headers.ttl)).toBeGreaterThan(24 * 60 * 60)
      const sender = senderOf(push, service.origin)
      expect(sender).toMatchObject({ publicKey, claims: { sub: subject } })
      const leftS = (sender.claims.exp ?? 0) - Date.now() / 1000
      expect(leftS).toBeGreaterThan(60)
      expect(leftS).toBeLessThanOrEqual(24 * 60 * 60)
    }
    expect(phone.received[0]?.headers.topic).toBe(laptop.received[0]?.headers.topic)
    expect(other.titles).toEqual([])
  })

  test('of any size fits: a long body is cut at a character', async () => {
    const phone = await browserOf('long')
    const body = '😀'.repeat(1_000)
    await notify(server, { to: ['long'], title: '"'.repeat(200), body, link: `/${'ü'.repeat(300)}` })
    await notify(server, { to: ['long'], title: 'second', body, link: `/${'ü'.repeat(1_900)}` })
    await vi.waitUntil(() => phone.received.length === 2, { timeout: 30_000 })
    for (const { payload } of phone.received) {
      expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThanOrEqual(3 * 1024)
      expect(payload.body).toMatch(/^(😀){300,}…$/u)
    }
    const links = phone.received.map(({ payload }) => String(payload.link).length)
    expect(links.toSorted()).toEqual([0, 301])
  })

  test('of a mention is pushed like any other', async () => {
    const phone = await browserOf('mentioned')
    openSession(server, { as: 'ann' })
      .chat('dm/ann,mentioned')
      .send({ text: 'Look!', mentions: ['mentioned'] })
    onTestFinished(closeSessions)
    await vi.waitUntil(() => phone.received.length > 0, { timeout: 30_000 })
    expect(phone.received.map(({ payload }) => payload)).toMatchObject([
      { kind: 'mention', from: 'ann', body: 'Look!' },
    ])
  })

  test('sent twice with its key is pushed once', async () => {
    const phone = await browserOf('once')
    for (const title of ['first', 'again']) await notify(server, { to: ['once'], title, key: 'once' })
    await notify(server, { to: ['once'], title: 'other' })
    await vi.waitUntil(() => phone.titles.includes('other'), { timeout: 30_000 })
    expect(phone.titles.toSorted()).toEqual(['first', 'other'])
  })
})

describe('who is there', () => {
  test('gets no push while a page is open, on whatever instance, and gets one after it is closed', async () => {
    const instances = await Instances.start(2, {
      databaseUrl: `sqlite:${temporaryFolder()}/coweave.db`,
      environment: { ...environment, PUSH_DELAY: '1000' },
    })
    onTestFinished(() => instances.close())
    const [one, two] = instances.all.map((instance) => instance.server)
    if (one === undefined || two === undefined) return expect.unreachable()
    const pages = [await openInbox(one, 'here'), await openInbox(two, 'there')]
    const [here, there, away] = [
      await browserOf('here', one),
      await browserOf('there', one),
      await browserOf('away', one),
    ]
    for (const round of ['1', '2', '3']) await notify(one, { to: ['here', 'there', 'away'], title: round })
    await vi.waitUntil(() => away.received.length === 3, { timeout: 30_000 })
    for (const page of pages) page.destroy()
    await vi.waitUntil(async () => (await measured(one, 'coweave_connections')) === 0)
    await vi.waitUntil(async () => (await measured(two, 'coweave_connections')) === 0)
    await notify(two, { to: ['here', 'there'], title: 'closed' })
    await here.whenTitles('closed')
    await there.whenTitles('closed')
    expect(away.titles.toSorted()).toEqual(['1', '2', '3'])
  })

  test('is not there when nothing answers on the connection any more', async () => {
    const phone = await browserOf('asleep')
    const path = `/yjs/notes?token=${tokenFor('asleep')}`
    const socket = new WebSocket(server.url.replace('http', 'ws') + path, { autoPong: false })
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')
    socket.send(syncStep1)
    await once(socket, 'message')
    // The first ones may fall into the time in which it was just heard of.
    await vi.waitUntil(
      async () => {
        await notify(server, { to: ['asleep'], title: 'wake up' })
        return phone.received.length > 0
      },
      { timeout: 30_000, interval: 300 },
    )
    expect(socket.readyState).toBe(WebSocket.OPEN)
  })
})

describe('a push service', () => {
  test.each([404, 410])('that answers %i knows the subscription no more: it ends', async (status) => {
    const user = `gone-${status}`
    const [gone, stays] = [await browserOf(user), await browserOf(user)]
    const before = await measured(server, 'coweave_push_subscriptions_dropped_total')
    gone.answers.push({ status })
    await notify(server, { to: [user], title: 'first' })
    await gone.whenTitles('first')
    await vi.waitUntil(async () => (await measured(server, 'coweave_push_subscriptions_dropped_total')) > before)
    await notify(server, { to: [user], title: 'second' })
    await stays.whenTitles('first', 'second')
    expect(gone.titles).toEqual(['first'])
  })

  test('that is busy gets it again when it said, and the same', async () => {
    const phone = await browserOf('patient')
    phone.answers.push(
      { status: 503, headers: { 'retry-after': '1' } },
      { status: 429, headers: { 'retry-after': '0' } },
    )
    await notify(server, { to: ['patient'], title: 'at last' })
    await phone.whenTitles('at last', 'at last', 'at last')
    const [first, second, third] = phone.received
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990)
    expect([second?.payload, third?.payload]).toEqual([first?.payload, first?.payload])
  })

  test('that refuses one is not asked again, and gets the next', async () => {
    const phone = await browserOf('refused')
    const before = await measured(server, 'coweave_pushes_failed_total')
    phone.answers.push({ status: 413 })
    await notify(server, { to: ['refused'], title: 'refused' })
    await vi.waitUntil(async () => (await measured(server, 'coweave_pushes_failed_total')) > before, {
      timeout: 30_000,
    })
    await notify(server, { to: ['refused'], title: 'next' })
    await phone.whenTitles('refused', 'next')
  })

  test('gets a bounded number at once, for however many people', async () => {
    const users = Array.from({ length: 150 }, (_, index) => `many-${index}`)
    const browsers = await Promise.all(users.map((user) => browserOf(user)))
    for (const browser of browsers) browser.answers.push(undefined)
    await notify(server, { to: users, title: 'for all' })
    const asked = () => browsers.filter(({ received }) => received.length > 0).length
    await vi.waitUntil(() => asked() === 50, { timeout: 30_000 })
    await vi.waitUntil(
      () => {
        for (const browser of browsers) browser.release()
        return asked() === users.length
      },
      { timeout: 30_000 },
    )
    expect(service.mostAtOnce).toBe(50)
  })
})

describe('[promise 1] what was answered', () => {
  test('is pushed after a crash before the push, and after one while the push service was asked', async () => {
    let crashing = await startServer({ environment: { ...environment, PUSH_DELAY: '1500', PUSH_TIMEOUT: '1000' } })
    onTestFinished(async () => void (await crashing.stop()))
    const phone = await browserOf('ann', crashing)
    await notify(crashing, { to: ['ann'], title: 'before' })
    await crashing.kill()
    expect(phone.titles).toEqual([])
    phone.answers.push(undefined)
    crashing = await crashing.restart()
    await phone.whenTitles('before')
    await crashing.kill()
    crashing = await crashing.restart()
    await phone.whenTitles('before', 'before')
    expect(phone.received[1]?.payload).toEqual(phone.received[0]?.payload)
    await vi.waitUntil(async () => (await measured(crashing, 'coweave_pushes_total')) === 1)
  })

  test('is pushed before the server has stopped, and once', async () => {
    const stopping = await startServer({ environment })
    onTestFinished(() => stopping.kill())
    const phone = await browserOf('ann', stopping)
    phone.answers.push(undefined)
    await notify(stopping, { to: ['ann'], title: 'first' })
    await phone.whenTitles('first')
    const stopped = stopping.stop()
    await vi.waitUntil(() => stopping.output().includes('"stopping"'))
    phone.release()
    expect(await stopped).toBe(0)
    const log = await openLog({ url: databaseUrl(stopping.folder), create: false, onProblem: () => {} })
    onTestFinished(() => log.close())
    expect(await log.pushes.upcoming({ now: 0, until: Number.MAX_SAFE_INTEGER })).toEqual({ isDue: false, waiting: [] })
  })

  test('is pushed by one of two instances', async () => {
    const instances = await Instances.start(2, {
      databaseUrl: `sqlite:${temporaryFolder()}/coweave.db`,
      environment,
    })
    onTestFinished(() => instances.close())
    const [one, two] = instances.all.map((instance) => instance.server)
    if (one === undefined || two === undefined) return expect.unreachable()
    const browsers = await Promise.all(['a', 'b', 'c'].map((user) => browserOf(user, one)))
    const titles = Array.from({ length: 20 }, (_, index) => `${index}`)
    await Promise.all(titles.map((title, index) => notify(index % 2 === 0 ? one : two, { to: ['a', 'b', 'c'], title })))
    for (const browser of browsers) {
      await vi.waitUntil(() => new Set(browser.titles).size === titles.length, { timeout: 30_000 })
    }
    for (const instance of instances.all) expect(await instance.stop()).toBe(0)
    for (const browser of browsers) expect(browser.received).toHaveLength(titles.length)
  })
})

describe('subscriptions', () => {
  const put = (user: string, body: unknown) => askPush(server, user, { method: 'PUT', body })

  test('need a token, and the public key is there to subscribe with', async () => {
    expect((await fetch(`${server.url}/api/push`)).status).toBe(401)
    expect(await askPush(server, 'ann', { path: '/api/push' })).toEqual({ status: 200, body: { publicKey } })
  })

  test('are refused where they are not what a browser gives, or lead elsewhere than to a push service', async () => {
    const whole = service.browser().toJSON()
    const { endpoint, keys } = whole
    const hostile: unknown[] = [
      {},
      'text',
      { ...whole, endpoint: undefined },
      { ...whole, keys: undefined },
      { ...whole, keys: { ...keys, auth: keys.auth.slice(2) } },
      { ...whole, keys: { ...keys, auth: `${keys.auth}AAAA` } },
      { ...whole, keys: { ...keys, auth: '!'.repeat(22) } },
      { ...whole, keys: { ...keys, p256dh: keys.p256dh.slice(4) } },
      { ...whole, keys: { ...keys, p256dh: Buffer.alloc(65, 4).toString('base64url') } },
      { ...whole, keys: { ...keys, p256dh: keys.auth } },
      ...[
        '',
        'nothing',
        'http://127.0.0.1:1/push',
        'http://fcm.googleapis.com/fcm/send/x',
        endpoint.replace('127.0.0.1', '127.0.0.2'),
        endpoint.replace('127.0.0.1', 'user@127.0.0.1'),
        'https://127.0.0.1/push',
        'https://10.0.0.1/push',
        'https://169.254.169.254/latest/meta-data',
        'https://[::1]/push',
        'https://[::ffff:127.0.0.1]/push',
        'https://localhost/push',
        'https://example.org/push',
        'file:///etc/passwd',
        `${endpoint}${'x'.repeat(2_000)}`,
      ].map((elsewhere) => ({ ...whole, endpoint: elsewhere })),
    ]
    for (const body of hostile) {
      const answer = await put('eve', body)
      expect({ given: body, ...answer }).toMatchObject({ status: 400, body: { code: 'http/bad-request' } })
    }
    expect((await put('eve', { ...whole, more: 'x'.repeat(9_000) })).status).toBe(413)
    expect((await put('eve', whole)).status).toBe(204)
  })

  test('of somebody else are neither taken over nor ended by who knows no more than the endpoint', async () => {
    const phone = await browserOf('victim')
    const { keys } = service.browser().toJSON()
    expect(await put('eve', { endpoint: phone.endpoint, keys })).toMatchObject({
      status: 409,
      body: { code: 'push/endpoint-taken' },
    })
    const ended = await askPush(server, 'eve', { method: 'DELETE', body: { endpoint: phone.endpoint } })
    expect(ended.status).toBe(204)
    await notify(server, { to: ['victim'], title: 'still here' })
    await phone.whenTitles('still here')
  })

  test('of a browser that changed hands are its new user’s; ended ones get nothing', async () => {
    const [shared, kept] = [await browserOf('first-user'), await browserOf('first-user')]
    await subscribe(server, 'second-user', shared)
    await notify(server, { to: ['first-user'], title: 'private' })
    await kept.whenTitles('private')
    await notify(server, { to: ['second-user'], title: 'mine' })
    await shared.whenTitles('mine')
    await askPush(server, 'second-user', { method: 'DELETE', body: { endpoint: shared.endpoint } })
    const fresh = await browserOf('second-user')
    await notify(server, { to: ['second-user'], title: 'after' })
    await fresh.whenTitles('after')
    expect(shared.titles).toEqual(['mine'])
  })

  test('are bounded in number: the oldest ends', async () => {
    const browsers: TestBrowser[] = []
    for (let index = 0; index <= MAX_SUBSCRIPTIONS; index++) browsers.push(await browserOf('collector'))
    await notify(server, { to: ['collector'], title: 'hello' })
    await Promise.all(browsers.slice(1).map((browser) => browser.whenTitles('hello')))
    expect(browsers[0]?.titles).toEqual([])
  })
})

test('without keys there is no push, which has a code of its own', async () => {
  const off = await startServer()
  onTestFinished(async () => void (await off.stop()))
  for (const request of [{ path: '/api/push' }, { method: 'PUT', body: service.browser() }]) {
    expect(await askPush(off, 'ann', request)).toMatchObject({ status: 404, body: { code: 'push/off' } })
  }
  expect((await notify(off, { to: ['ann'] })).status).toBe(200)
  expect((await ask(off, '/api/inbox', { user: 'ann' })).body.notifications).toHaveLength(1)
})
