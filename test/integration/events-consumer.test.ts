import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { StoredEvent } from '../../persistence/event-store.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { EventBus } from '../../server/events/event-bus.ts'
import { EventConsumer } from '../../server/events/event-consumer.ts'
import { eventRetention } from '../../server/events/event-retention.ts'
import { streamEvents } from '../../server/events/event-stream.ts'
import { EventTail } from '../../server/events/event-tail.ts'
import { makeFolder } from '../persistence/folder.ts'
import { update } from '../persistence/updates.ts'

async function openLog(): Promise<UpdateLog> {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  onTestFinished(() => log.close())
  return log
}

async function store(log: UpdateLog, ids: readonly string[], at = Date.now()): Promise<void> {
  const events = ids.map((id) => ({ id, kind: 'k', at, document: 'notes', users: [], json: '{}' }))
  await log.append([update('notes', 'x', { events })])
}

interface Worker {
  readonly consumer: EventConsumer
  readonly handled: string[]
}

/** Works for the consumer "billing" as an instance does. */
function startWorker(log: UpdateLog, handle: (event: StoredEvent) => Promise<void> = async () => {}): Worker {
  const problems: unknown[] = []
  const bus = new EventBus({ events: log.events, onProblem: (error) => problems.push(error) })
  const handled: string[] = []
  const consumer = new EventConsumer({
    name: 'billing',
    events: log.events,
    bus,
    handle: async (page) => {
      for (const event of page) {
        handled.push(event.id)
        await handle(event)
      }
      return page.at(-1)?.number ?? 0
    },
    onProblem: (error) => problems.push(error),
  })
  consumer.start()
  onTestFinished(async () => {
    bus.close()
    await consumer.stop()
  })
  return { consumer, handled }
}

const soon = { timeout: 20_000 }

test('a consumer handles each event in order, on one instance at a time, and another one goes on where it stopped', async () => {
  const log = await openLog()
  await store(log, ['1', '2', '3'])
  const [one, other] = [startWorker(log), startWorker(log)]
  await expect.poll(() => [...one.handled, ...other.handled], soon).toEqual(['1', '2', '3'])
  const [working, idle] = one.handled.length > 0 ? [one, other] : [other, one]
  await store(log, ['4'])
  await expect.poll(() => working.handled, soon).toEqual(['1', '2', '3', '4'])
  expect(idle.handled).toEqual([])
  await working.consumer.stop()
  await store(log, ['5'])
  await expect.poll(() => idle.handled, soon).toEqual(['5'])
})

test('an event that could not be handled comes again before the next one, also to who takes over from a crashed instance', async () => {
  const log = await openLog()
  await store(log, ['1', '2'])
  // Has handled the first event and written it down, and is not heard of again.
  expect(await log.events.claim('billing', { owner: 'crashed', forMs: 500 })).toBe(0)
  const [first] = await log.events.read({ after: 0, limit: 1 })
  await log.events.pass('billing', { owner: 'crashed', last: first?.number ?? 0 })
  let failures = 0
  const { handled } = startWorker(log, async () => {
    failures += 1
    if (failures === 1) throw new Error('the other side is away')
  })
  await expect.poll(() => handled, soon).toEqual(['2', '2'])
})

test('events are forgotten once they are so many days old', async () => {
  const log = await openLog()
  const day = 24 * 60 * 60 * 1000
  const old = Array.from({ length: 1_200 }, (_, index) => `old ${index}`)
  await store(log, old, Date.now() - 3 * day - 60_000)
  await store(log, ['young'], Date.now() - 3 * day + 60_000)
  const problems: unknown[] = []
  const options = { events: log.events, days: 3, intervalMs: 50, onProblem: (error: unknown) => problems.push(error) }
  const retentions = [eventRetention(options), eventRetention(options)]
  for (const retention of retentions) retention.start()
  await vi.waitUntil(async () => (await log.events.read({ after: 0, limit: 9 }))[0]?.id === 'young', soon)
  for (const retention of retentions) await retention.stop()
  expect(problems).toEqual([])
})

test('a stream that is woken while the newest events are read for another one gets what woke it', async () => {
  const log = await openLog()
  const bus = new EventBus({ events: log.events, onProblem: () => expect.unreachable() })
  const wake = () => bus.committed([update('notes', 'x', { events: [] })], [1])
  let held: Promise<void> | undefined
  let onRead = () => {}
  const events = {
    last: () => log.events.last(),
    read: async (range: Parameters<typeof log.events.read>[0]) => {
      const page = await log.events.read(range)
      onRead()
      await held
      return page
    },
  }
  const tail = new EventTail({ events, bus })
  expect(await tail.last()).toBe(0)
  const [hold, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  held = hold.promise
  onRead = read.resolve
  wake()
  const early = tail.read(0, 9)
  await read.promise
  await store(log, ['1'])
  wake()
  const late = tail.read(0, 9)
  hold.resolve()
  expect((await late).map(({ id }) => id)).toEqual(['1'])
  await early
})

test('[promise 5] a stream whose reader takes nothing is cut off, and little of it was read for that', async () => {
  const log = await openLog()
  const json = JSON.stringify('x'.repeat(500_000))
  const large = Array.from({ length: 80 }, (_, index) => ({
    id: `${index}`,
    kind: 'k',
    at: 1,
    document: '',
    users: [],
    json,
  }))
  for (let first = 0; first < large.length; first += 20) {
    await log.append([update('notes', 'x', { events: large.slice(first, first + 20) })])
  }
  const bus = new EventBus({ events: log.events, onProblem: () => expect.unreachable() })
  let read = 0
  const events = {
    read: async (range: Parameters<typeof log.events.read>[0]) => {
      const page = await log.events.read(range)
      read += page.length
      return page
    },
  }
  const over = Promise.withResolvers<void>()
  const server = createServer((_request, response) => {
    const options = {
      events,
      bus,
      after: 0,
      kind: undefined,
      heartbeatMs: 200,
      endsAt: undefined,
      isRevoked: () => false,
      kicked: new AbortController().signal,
    }
    streamEvents(response, {}, options).then(over.resolve, over.reject)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') return expect.fail()
  const reader = connect(address.port, '127.0.0.1').pause()
  onTestFinished(() => {
    bus.close()
    reader.destroy()
    server.close()
  })
  reader.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await over.promise
  // The sockets' own buffers hold some megabytes.
  expect(read).toBeLessThan(60)
})
