import { describe, expect, onTestFinished, test } from 'vitest'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { DeliveryOutcome, Webhook } from '../../persistence/webhook-store.ts'
import { makeFolder } from './folder.ts'
import { update } from './updates.ts'

const CONSUMER = 'webhooks'
const OWNER = { owner: 'one', forMs: 60_000 }

function webhook(id: string, fields: Partial<Webhook> = {}): Webhook {
  return { id, at: 1, after: 0, url: 'https://x.example/', kinds: ['a'], documents: 'n/*', secret: 's', ...fields }
}

function outcome(event: number, became: DeliveryOutcome['became'], fields: Partial<DeliveryOutcome> = {}) {
  return { webhook: 'w', event, became, dueAt: 0, problem: became === 'done' ? '' : 'it failed', ...fields }
}

/** What every log promises of webhooks. `open` as for describeUpdateLog(). */
export function describeWebhookStore(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }

  /** A log with the webhook `w`, and deliveries of events 1, 2, 3 … of these documents. */
  async function openWith(documents: readonly string[], folder?: string): Promise<UpdateLog> {
    const log = await openIn(folder ?? (await makeFolder()))
    await log.webhooks.put(webhook('w'), { max: 9 })
    await log.events.claim(CONSUMER, OWNER)
    await enqueue(log, documents)
    return log
  }

  function enqueue(
    log: UpdateLog,
    documents: readonly string[],
    { first = 1, owner = 'one', of = 'w', now = 100 } = {},
  ) {
    const deliveries = documents.map((document, index) => ({ webhook: of, event: first + index, document }))
    const last = first + documents.length - 1
    return log.webhooks.enqueue(deliveries, { consumer: CONSUMER, owner, last, now })
  }

  async function claim(log: UpdateLog, { now = 100, until = 1_000, limit = 99 } = {}): Promise<number[]> {
    const claimed = await log.webhooks.claim({ now, until, limits: [{ webhook: 'w', limit }] })
    return claimed.map(({ event }) => event).toSorted((one, other) => one - other)
  }

  async function states(log: UpdateLog, state?: 'waiting' | 'dead' | 'resent') {
    const found = await log.webhooks.deliveries('w', { state, after: 0, limit: 99 })
    return found.map(({ event, state, dueAt }) => `${event} ${state} ${dueAt ?? 'never'}`)
  }

  describe(`${name}: webhooks`, () => {
    test('[promise 1] stay with what they are still to be told of, and end with it', async () => {
      const folder = await makeFolder()
      const first = await open(folder)
      const [one, other] = [webhook('one', { at: 5 }), webhook('other', { kinds: [], documents: undefined })]
      expect(await first.webhooks.put(one, { max: 2 })).toBe(true)
      expect(await first.webhooks.put(other, { max: 2 })).toBe(true)
      expect(await first.webhooks.put(webhook('third'), { max: 2 })).toBe(false)
      const changed = { ...one, url: 'https://y.example/' }
      expect(await first.webhooks.put({ ...changed, at: 9, after: 9 }, { max: 2 })).toBe(true)
      await first.events.claim(CONSUMER, OWNER)
      await enqueue(first, ['a'], { of: 'one' })
      await first.close()
      const log = await openIn(folder)
      expect(await log.webhooks.list()).toEqual([other, changed])
      expect(await log.webhooks.due(99)).toEqual([])
      expect(await log.webhooks.due(100)).toEqual(['one'])
      expect(await log.webhooks.remove('one')).toBe(true)
      expect(await log.webhooks.remove('one')).toBe(false)
      expect(await log.webhooks.list()).toEqual([other])
      await enqueue(log, ['a'], { first: 2, of: 'one' })
      expect(await log.webhooks.deliveries('one', { after: 0, limit: 9 })).toEqual([])
    })

    test('each event becomes deliveries once, by who works for the consumer', async () => {
      const log = await openWith(['', ''])
      await enqueue(log, ['', ''])
      await enqueue(log, [''], { first: 3, owner: 'another' })
      expect(await claim(log)).toEqual([1, 2])
      await log.webhooks.settle([outcome(1, 'done'), outcome(2, 'done')], { now: 100 })
      await enqueue(log, ['', ''])
      expect(await states(log)).toEqual([])
      expect(await log.events.claim(CONSUMER, OWNER)).toBe(2)
    })

    test('deliveries of a document come one after the other, of others and of none beside them', async () => {
      const log = await openWith(['a', 'a', 'b', '', '', 'a'])
      expect(await claim(log, { limit: 2 })).toEqual([1, 3])
      expect(await claim(log)).toEqual([4, 5])
      expect(await claim(log)).toEqual([])
      await enqueue(log, ['b', 'c'], { first: 7 })
      expect(await claim(log)).toEqual([8])
      await log.webhooks.settle([outcome(1, 'again', { dueAt: 150 }), outcome(3, 'done')], { now: 120 })
      expect(await claim(log, { now: 140 })).toEqual([7])
      expect(await claim(log, { now: 150 })).toEqual([1])
      await log.webhooks.settle([outcome(1, 'dead'), outcome(9, 'done')], { now: 160 })
      expect(await claim(log, { now: 160 })).toEqual([2])
      expect(await claim(log, { now: 999 })).toEqual([])
      // Not settled in time: its instance may have crashed.
      expect(await claim(log, { now: 1_000, until: 2_000 })).toEqual([2, 4, 5, 7, 8])
    })

    test('what waits is counted, with since when the first of it does', async () => {
      const log = await openWith(['a', 'a', 'b'])
      await log.webhooks.put(webhook('x'), { max: 9 })
      await enqueue(log, ['a'], { first: 4, of: 'x', now: 50 })
      expect(await log.webhooks.backlog()).toEqual({ deliveries: 4, since: 50 })
      expect(await log.webhooks.remove('x')).toBe(true)
      await claim(log)
      await log.webhooks.settle([outcome(1, 'dead'), outcome(3, 'again', { dueAt: 900 })], { now: 100 })
      expect(await log.webhooks.backlog()).toEqual({ deliveries: 2, since: 100 })
      await claim(log)
      await log.webhooks.settle([outcome(2, 'done'), outcome(3, 'done')], { now: 100 })
      expect(await log.webhooks.backlog()).toEqual({ deliveries: 0, since: undefined })
      await log.webhooks.resend({ webhook: 'w', event: 1 }, { now: 300 })
      expect(await log.webhooks.backlog()).toEqual({ deliveries: 1, since: 300 })
    })

    test('what is dead is seen, and tried again beside the others', async () => {
      const log = await openWith(['a', 'a', 'a'])
      for (const event of [1, 2]) {
        expect(await claim(log)).toEqual([event])
        await log.webhooks.settle([outcome(event, 'dead')], { now: 100 })
      }
      expect(await claim(log)).toEqual([3])
      expect(await states(log, 'dead')).toEqual(['1 dead never', '2 dead never'])
      expect(await states(log, 'waiting')).toEqual(['3 waiting 1000'])
      // Of an instance that was halted while another one tried it for the last time.
      await log.webhooks.settle([outcome(2, 'again', { dueAt: 150 })], { now: 150 })
      expect(await states(log, 'dead')).toEqual(['1 dead never', '2 dead never'])
      const [dead] = await log.webhooks.deliveries('w', { state: 'dead', after: 1, limit: 1 })
      expect(dead).toMatchObject({ webhook: 'w', event: 2, document: 'a', attempts: 1, problem: 'it failed' })
      expect(await log.webhooks.resend({ webhook: 'w', event: 1 }, { now: 200 })).toBe(true)
      expect(await log.webhooks.resend({ webhook: 'w', event: 1 }, { now: 200 })).toBe(false)
      expect(await claim(log, { now: 200 })).toEqual([1])
      await log.webhooks.settle([outcome(1, 'done'), outcome(3, 'done')], { now: 200 })
      expect(await states(log)).toEqual(['2 dead never'])
    })

    test('two who claim and settle at the same time leave nothing behind', async () => {
      const folder = await makeFolder()
      const documents = Array.from({ length: 40 }, (_, index) => `${index % 3}`)
      const log = await openWith(documents.slice(0, 20), folder)
      const other = await openIn(folder)
      const taken: number[] = []
      const work = async (on: UpdateLog) => {
        for (let idle = 0; idle < 30; ) {
          const events = await claim(on, { now: 1_000, until: 9_000, limit: 2 })
          taken.push(...events)
          idle = events.length === 0 ? idle + 1 : 0
          if (events.length > 0)
            await on.webhooks.settle(
              events.map((event) => outcome(event, 'done')),
              { now: 1_000 },
            )
        }
      }
      await Promise.all([work(log), work(other), enqueue(log, documents.slice(20), { first: 21 })])
      expect(await states(log)).toEqual([])
      expect(taken.toSorted((one, two) => one - two)).toEqual(documents.map((_, index) => index + 1))
    })

    test('deliveries of events that are forgotten are too, and who waited for them waits no longer', async () => {
      const log = await openIn(await makeFolder())
      const event = (id: string, at: number) => ({ id, kind: 'k', at, document: 'a', users: [], json: '{}' })
      await log.append([update('a', '', { events: [event('old', 1), event('new', 100)] })])
      await log.webhooks.put(webhook('w'), { max: 9 })
      await log.events.claim(CONSUMER, OWNER)
      await enqueue(log, ['a', 'a'])
      expect(await claim(log)).toEqual([1])
      expect(await log.events.forget({ before: 50, limit: 9 })).toBe(1)
      expect(await claim(log)).toEqual([2])
      expect(await log.events.forget({ before: 500, limit: 9 })).toBe(1)
      expect(await states(log)).toEqual([])
    })
  })
}
