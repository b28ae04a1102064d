import { describe, expect, onTestFinished, test } from 'vitest'
import type { PushSubscription, RoomSubscription } from '../../persistence/push-store.ts'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { archived, update } from './updates.ts'

const MAX = { max: 3 }
const ALL = { now: 1_000, until: 2_000, limit: 100 }

function subscription(name: string, fields: Partial<PushSubscription> = {}): PushSubscription {
  return { endpoint: `https://push.example/${name}`, p256dh: `key of ${name}`, auth: `secret of ${name}`, ...fields }
}

function subscribed(room: string, name: string, at = 1): RoomSubscription {
  return { room, at, subscription: subscription(name) }
}

function notified(room: string, seq: number, options: Partial<NewUpdate> = {}): NewUpdate {
  return update(room, '', { at: 100, messages: [archived(room, seq, `text ${seq}`)], pushAt: 500, ...options })
}

/** What every log promises of subscriptions and pushes. `open` as for describeUpdateLog(). */
export function describePushStore(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }
  const openNew = async () => await openIn(await makeFolder())

  /** Claims what is due, as `<endpoint's name>: <text>`. */
  async function claimed(log: UpdateLog, options = ALL): Promise<string[]> {
    const pushes = await log.pushes.claim(options)
    return pushes.map(({ content }) =>
      content === undefined
        ? 'unreadable'
        : `${content.subscription.endpoint.split('/').at(-1)}: ${JSON.parse(content.json).text}`,
    )
  }

  describe(`${name}: pushes`, () => {
    test('[promise 1] are stored with the update, for each subscription of its room, and are there when opened again', async () => {
      const folder = await makeFolder()
      const log = await open(folder)
      await log.pushes.subscribe(subscribed('inbox/ann', 'phone'), MAX)
      await log.pushes.subscribe(subscribed('inbox/ann', 'laptop'), MAX)
      await log.pushes.subscribe(subscribed('inbox/bob', 'tablet'), MAX)
      const given = [
        notified('inbox/ann', 1),
        notified('inbox/bob', 1),
        notified('inbox/cyd', 1),
        notified('inbox/ann', 2, { pushAt: undefined }),
        notified('inbox/ann', 1, { expects: { room: 'inbox/ann', lastSeq: undefined } }),
      ]
      expect(await log.append(given)).toEqual([1, 1, 1, 2, 0])
      await log.close()
      const again = await openIn(folder)
      expect(await claimed(again, { ...ALL, now: 499 })).toEqual([])
      const pushes = await again.pushes.claim(ALL)
      expect(pushes.map(({ room, at, attempts }) => [room, at, attempts]).toSorted()).toEqual([
        ['inbox/ann', 100, 1],
        ['inbox/ann', 100, 1],
        ['inbox/bob', 100, 1],
      ])
      expect(pushes.map(({ content }) => content?.subscription).toSorted(byEndpoint)).toEqual(
        ['laptop', 'phone', 'tablet'].map((device) => subscription(device)),
      )
    })

    test('are claimed by one, the longest due first, and again when the claim is over', async () => {
      const folder = await makeFolder()
      const [one, other] = [await openIn(folder), await openIn(folder)]
      await one.pushes.subscribe(subscribed('inbox/ann', 'phone'), MAX)
      await one.append([1, 2, 3].map((seq) => notified('inbox/ann', seq, { pushAt: 600 - seq })))
      expect(await claimed(one, { ...ALL, limit: 1 })).toEqual(['phone: text 3'])
      expect((await claimed(other)).toSorted()).toEqual(['phone: text 1', 'phone: text 2'])
      expect(await claimed(one, { ...ALL, now: 1_999 })).toEqual([])
      const again = await other.pushes.claim({ ...ALL, now: 2_000, until: 3_000 })
      expect(again.map(({ attempts }) => attempts)).toEqual([2, 2, 2])
    })

    test('that two claim at the same time are each claimed once', async () => {
      const folder = await makeFolder()
      const logs = [await openIn(folder), await openIn(folder)]
      await logs[0]?.pushes.subscribe(subscribed('inbox/ann', 'phone'), MAX)
      await logs[0]?.append(Array.from({ length: 60 }, (_, index) => notified('inbox/ann', index + 1)))
      const claims = Array.from({ length: 20 }, (_, index) => logs[index % 2]?.pushes.claim({ ...ALL, limit: 5 }))
      const ids = (await Promise.all(claims)).flatMap((found = []) => found.map(({ id }) => id))
      for (const log of logs) ids.push(...(await log.pushes.claim(ALL)).map(({ id }) => id))
      expect(new Set(ids).size).toBe(60)
      expect(ids).toHaveLength(60)
    })

    test('are settled: over, to be claimed again later, or ended with their subscription', async () => {
      const log = await openNew()
      for (const device of ['phone', 'laptop', 'tablet']) {
        await log.pushes.subscribe(subscribed(`inbox/${device}`, device), MAX)
      }
      await log.append(['phone', 'laptop', 'tablet'].map((device) => notified(`inbox/${device}`, 1)))
      const pushes = await log.pushes.claim(ALL)
      const of = (device: string) => pushes.find(({ room }) => room === `inbox/${device}`)
      const [phone, laptop, tablet] = [of('phone'), of('laptop'), of('tablet')]
      await log.pushes.settle({
        done: [phone?.id ?? 0, 999],
        again: [{ id: laptop?.id ?? 0, dueAt: 1_500 }],
        gone: [tablet?.content?.id ?? ''],
      })
      expect(await claimed(log, { ...ALL, now: 1_499 })).toEqual([])
      expect(await claimed(log, { ...ALL, now: 9_000 })).toEqual(['laptop: text 1'])
      await log.append(['phone', 'laptop', 'tablet'].map((device) => notified(`inbox/${device}`, 2)))
      expect((await claimed(log)).toSorted()).toEqual(['laptop: text 2', 'phone: text 2'])
    })

    test('of whom is there are taken away, as old as is said', async () => {
      const log = await openNew()
      for (const user of ['ann', 'bob']) await log.pushes.subscribe(subscribed(`inbox/${user}`, user), MAX)
      await log.append([notified('inbox/ann', 1), notified('inbox/bob', 1), notified('inbox/ann', 2, { at: 200 })])
      const { isDue, waiting } = await log.pushes.upcoming({ now: 499, until: 500 })
      expect(isDue).toBe(false)
      expect(waiting.toSorted((left, right) => left.at - right.at)).toEqual([
        { room: 'inbox/bob', at: 100 },
        { room: 'inbox/ann', at: 200 },
      ])
      expect(await log.pushes.upcoming({ now: 300, until: 499 })).toEqual({ isDue: false, waiting: [] })
      await log.pushes.cancel([{ room: 'inbox/ann', at: 100 }])
      expect(await log.pushes.upcoming({ now: 500, until: 600 })).toEqual({ isDue: true, waiting: [] })
      expect((await claimed(log)).toSorted()).toEqual(['ann: text 2', 'bob: text 1'])
    })

    test('bring what the message is by then', async () => {
      const log = await openNew()
      await log.pushes.subscribe(subscribed('inbox/ann', 'phone'), MAX)
      await log.append([notified('inbox/ann', 1)])
      const changed = archived('inbox/ann', 1, 'changed')
      await log.append([update('inbox/ann', '', { messages: [changed] })])
      expect(await claimed(log)).toEqual(['phone: changed'])
    })
  })

  describe(`${name}: subscriptions`, () => {
    test('have one place for an endpoint: told again it moves, and what waited for the other user does not come', async () => {
      const log = await openNew()
      await log.pushes.subscribe(subscribed('inbox/ann', 'shared'), MAX)
      await log.append([notified('inbox/ann', 1)])
      expect(await log.pushes.subscribe(subscribed('inbox/bob', 'shared'), MAX)).toBe(true)
      expect(await claimed(log)).toEqual([])
      await log.append([notified('inbox/ann', 2), notified('inbox/bob', 3)])
      expect(await claimed(log)).toEqual(['shared: text 3'])
      await log.pushes.subscribe(subscribed('inbox/bob', 'shared', 2), MAX)
      expect(await log.pushes.subscriptions({ limit: 9 })).toEqual({
        subscriptions: [subscribed('inbox/bob', 'shared', 2)],
        next: undefined,
      })
    })

    test('are not taken with other keys, nor ended by somebody else', async () => {
      const log = await openNew()
      await log.pushes.subscribe(subscribed('inbox/ann', 'phone'), MAX)
      for (const keys of [{ p256dh: 'other' }, { auth: 'other' }]) {
        const wanted = { room: 'inbox/eve', at: 2, subscription: subscription('phone', keys) }
        expect(await log.pushes.subscribe(wanted, MAX)).toBe(false)
      }
      await log.pushes.unsubscribe('inbox/eve', subscription('phone').endpoint)
      await log.append([notified('inbox/ann', 1), notified('inbox/eve', 2)])
      expect(await claimed(log)).toEqual(['phone: text 1'])
      await log.append([notified('inbox/ann', 3)])
      await log.pushes.unsubscribe('inbox/ann', subscription('phone').endpoint)
      await log.append([notified('inbox/ann', 4)])
      expect(await claimed(log)).toEqual([])
    })

    test('are so many of a room at most: the oldest ends, with what waited for it', async () => {
      const log = await openNew()
      for (const [index, device] of ['b', 'c', 'd'].entries()) {
        await log.pushes.subscribe(subscribed('inbox/ann', device, 10 + index), MAX)
      }
      await log.pushes.subscribe(subscribed('inbox/bob', 'a', 1), MAX)
      await log.pushes.subscribe(subscribed('inbox/ann', 'b', 20), MAX)
      await log.append([notified('inbox/ann', 1)])
      await log.pushes.subscribe(subscribed('inbox/ann', 'e', 21), MAX)
      expect((await claimed(log)).toSorted()).toEqual(['b: text 1', 'd: text 1'])
      const pages = [await log.pushes.subscriptions({ limit: 2 })]
      for (let after = pages[0]?.next; after !== undefined; after = pages.at(-1)?.next) {
        pages.push(await log.pushes.subscriptions({ after, limit: 2 }))
      }
      const kept = pages.flatMap(({ subscriptions }) => subscriptions.map((each) => each.subscription))
      expect(kept.toSorted(byEndpoint)).toEqual(['a', 'b', 'd', 'e'].map((device) => subscription(device)))
    })
  })
}

function byEndpoint(left: PushSubscription | undefined, right: PushSubscription | undefined): number {
  return (left?.endpoint ?? '') < (right?.endpoint ?? '') ? -1 : 1
}
