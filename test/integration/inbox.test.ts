import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  dismissNotifications,
  markNotificationsRead,
  NOTIFICATIONS_KEPT,
  type Notification,
  notificationsIn,
} from '../../model/inbox.ts'
import { inboxOf } from '../../model/rooms.ts'
import { openLog } from '../../persistence/open-log.ts'
import { Durability } from '../../server/documents/durability.ts'
import { Notifications } from '../../server/inbox/notifications.ts'
import { whenDocument } from '../support/clients.ts'
import { ask, notify, openInbox, titlesIn, whenTitles } from '../support/inbox.ts'
import { Instances } from '../support/instances.ts'
import { startServer, type TestServer, temporaryFolder } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

async function open(user: string, on: Pick<TestServer, 'url' | 'socketUrl'> = server) {
  const client = await openInbox(on, user)
  onTestFinished(() => client.destroy())
  return client
}

describe('notifications of a back end', () => {
  test('are there at once for who is online, and on connecting for who was not', async () => {
    const ann = await open('ann')
    const { status, body } = await notify(server, { to: ['ann', 'bob', 'ann'], title: 'one', link: '/d/plan' })
    expect({ status, added: body.added, known: body.known }).toEqual({ status: 200, added: 2, known: 0 })
    await whenTitles(ann, 'one')
    const bob = await open('bob')
    expect(notificationsIn(bob.ydoc)).toEqual([
      { id: body.id, kind: 'test', title: 'one', body: '', link: '/d/plan', at: expect.any(Number) },
    ])
    await notify(server, { to: ['bob'], title: 'two' })
    await whenTitles(bob, 'one', 'two')
    expect(titlesIn(ann)).toEqual(['one'])
  })

  test('[promise 1] that were answered are there after a crash, and a key brings them once', async () => {
    const crashing = await startServer()
    const first = await notify(crashing, { to: ['ann', 'bob'], title: 'once', key: 'order 7' })
    await crashing.kill()
    const restarted = await crashing.restart()
    onTestFinished(async () => void (await restarted.stop()))
    const again = await notify(restarted, { to: ['ann', 'bob', 'cyd'], title: 'changed', key: 'order 7' })
    expect(again.body).toEqual({ id: first.body.id, added: 1, known: 2 })
    expect(titlesIn(await open('ann', restarted))).toEqual(['once'])
    expect(titlesIn(await open('cyd', restarted))).toEqual(['changed'])
  })

  test('of another key, or without one, are others', async () => {
    const answers = await Promise.all([
      ...['a', 'b', 'a'].map((key) => notify(server, { to: ['keys'], key, title: key })),
      notify(server, { to: ['keys'], title: 'none' }),
      notify(server, { to: ['keys'], title: 'none' }),
    ])
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(4)
    expect(titlesIn(await open('keys')).toSorted()).toEqual(['a', 'b', 'none', 'none'])
  })

  test('[promise 4] race over two instances on one database: each arrives once, everywhere', async () => {
    const databaseUrl = `sqlite:${temporaryFolder()}/coweave.db`
    const instances = await Instances.start(2, { databaseUrl })
    onTestFinished(() => instances.close())
    const [one, two] = instances.all.map((instance) => instance.server)
    if (one === undefined || two === undefined) return expect.unreachable()
    const watchers = [await open('user-0', one), await open('user-0', two)]
    const to = Array.from({ length: 50 }, (_, index) => `user-${index}`)
    for (let round = 0; round < 5; round++) {
      const body = { to, title: `round ${round}`, key: `key ${round}` }
      const answers = await Promise.all([one, two, one, two].map((on) => notify(on, body)))
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
      expect(answers.reduce((sum, answer) => sum + (answer.body.added ?? 0), 0)).toBe(to.length)
    }
    const rounds = [0, 1, 2, 3, 4].map((round) => `round ${round}`)
    for (const watcher of watchers) await whenTitles(watcher, ...rounds)
    for (const user of ['user-1', 'user-49']) expect(titlesIn(await open(user, two))).toEqual(rounds)
  })

  test('for ten thousand people are one batch of the log, which loads no inbox', async () => {
    const log = await openLog({ url: `sqlite:${temporaryFolder()}/coweave.db`, create: true, onProblem: () => {} })
    const batches: number[] = []
    const loads: string[] = []
    const counted = new Proxy(log, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key)
        if (typeof value !== 'function') return value
        return (...given: unknown[]) => {
          if (key === 'append' && Array.isArray(given[0])) batches.push(given[0].length)
          if (key === 'load') loads.push(String(given[0]))
          return Reflect.apply(value, target, given)
        }
      },
    })
    const durability = new Durability(counted, {
      commitTimeoutMs: 60_000,
      onFailure: () => expect.unreachable(),
      onLost: () => expect.unreachable(),
      onRecovered() {},
    })
    onTestFinished(async () => {
      durability.close()
      await log.close()
    })
    const stored: string[] = []
    const onStored = (user: string, { title }: Notification) => stored.push(`${title} ${user}`)
    const notifications = new Notifications({ log: counted, durability, openDocument: () => undefined, onStored })
    const to = Array.from({ length: 10_000 }, (_, index) => `user-${index}`)
    const notification = { kind: 'news', title: 'for all', body: '', link: '' }
    expect(await notifications.add({ to, notification, key: 'all' })).toMatchObject({ added: 10_000, known: 0 })
    expect([batches, loads]).toEqual([[10_000], []])
    expect(await notifications.add({ to, notification, key: 'all' })).toMatchObject({ added: 0, known: 10_000 })
    expect(batches).toEqual([10_000, 10_000])
    expect(stored).toEqual(to.map((user) => `for all ${user}`))
    expect(await log.positions(to.map(inboxOf))).toEqual(to.map(() => 1))
  })

  test('for ten thousand people arrive with those who are online, and with the others when they come', async () => {
    const to = Array.from({ length: 10_000 }, (_, index) => `of-many-${index}`)
    const online = await Promise.all(to.slice(0, 20).map((user) => open(user)))
    expect((await notify(server, { to, title: 'for all' })).body).toMatchObject({ added: 10_000, known: 0 })
    for (const client of online) await whenTitles(client, 'for all')
    for (const user of to.slice(-3)) expect(titlesIn(await open(user))).toEqual(['for all'])
  })
})

describe('an inbox', () => {
  test('keeps its newest notifications; the older ones are in the archive, page by page', async () => {
    const user = 'collector'
    const total = NOTIFICATIONS_KEPT + 30
    for (let index = 0; index < total - 10; index++) await notify(server, { to: [user], title: `${index}` })
    const device = await open(user)
    await whenDocument(device.ydoc, () => titlesIn(device).length === NOTIFICATIONS_KEPT)
    expect(titlesIn(device)[0]).toBe(`${total - 10 - NOTIFICATIONS_KEPT}`)
    // And while it is open.
    for (let index = total - 10; index < total; index++) await notify(server, { to: [user], title: `${index}` })
    const wanted = Array.from({ length: NOTIFICATIONS_KEPT }, (_, index) => `${total - NOTIFICATIONS_KEPT + index}`)
    await whenTitles(device, ...wanted)

    const pages: string[][] = []
    let before: string | undefined = notificationsIn(device.ydoc)[0]?.id
    while (before !== undefined) {
      const { body } = await ask(server, `/api/inbox?limit=20&before=${before}`, { user })
      pages.unshift((body.notifications ?? []).map(({ title }) => title))
      before = body.next
    }
    expect(pages.map(({ length }) => length)).toEqual([10, 20])
    expect(pages.flat()).toEqual(Array.from({ length: 30 }, (_, index) => `${index}`))
  })

  test('is the same on all devices: what one marks or dismisses is so on the other, and stays', async () => {
    const user = 'devices'
    for (const title of ['a', 'b', 'c']) await notify(server, { to: [user], title, key: title })
    const [phone, laptop] = [await open(user), await open(user)]
    const [a, b] = notificationsIn(phone.ydoc)
    markNotificationsRead(phone.ydoc, [b?.id ?? ''])
    dismissNotifications(phone.ydoc, [a?.id ?? ''])
    await phone.saved()
    await whenDocument(laptop.ydoc, () => notificationsIn(laptop.ydoc)[0]?.readAt !== undefined)
    expect(titlesIn(laptop)).toEqual(['b', 'c'])
    // Neither from the archive nor with the same key.
    const { body } = await ask(server, '/api/inbox', { user })
    expect(body.notifications?.map(({ title }) => title)).toEqual(['b', 'c'])
    expect((await notify(server, { to: [user], title: 'a', key: 'a' })).body).toMatchObject({ added: 0, known: 1 })
    phone.destroy()
    laptop.destroy()
    const again = await open(user)
    expect(notificationsIn(again.ydoc).map(({ title, readAt }) => [title, readAt !== undefined])).toEqual([
      ['b', true],
      ['c', false],
    ])
  })
})
