import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { RelayMessage } from '../../server/cluster/relay.ts'
import { Cable } from '../support/cable.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { openRelay, say, type TestRelay } from './relays.ts'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

const isUp = (...relays: TestRelay[]) =>
  vi.waitFor(() => expect(relays.every(({ relay }) => relay.isUp)).toBe(true), { timeout: 20_000 })

const isDown = ({ changes }: TestRelay) => vi.waitFor(() => expect(changes.at(-1)).toBe('down'), { timeout: 20_000 })

async function openTwo(url = redis.url): Promise<[TestRelay, TestRelay]> {
  const [here, there] = [openRelay(url), openRelay(url)]
  await isUp(here, there)
  return [here, there]
}

/** A relay that something else is done to, with one that stays well. */
async function isLiveAgain(troubled: TestRelay, heard: RelayMessage[], other: TestRelay): Promise<void> {
  await isUp(troubled, other)
  heard.length = 0
  other.relay.publish('notes', say('back'))
  await vi.waitFor(() => expect(heard).toEqual([say('back')]))
}

describe('between two instances', () => {
  test('every kind of message arrives as it was, in order', async () => {
    const [here, there] = await openTwo()
    const heard = await there.hear('notes/a')
    const data = Uint8Array.from({ length: 300 }, (_, i) => i % 256)
    const messages: RelayMessage[] = [
      {
        kind: 'updates',
        first: 7,
        rows: [
          { at: 1_760_000_000_123, author: 'ann', clients: [2 ** 32 - 1, 2 ** 53 - 1], data },
          { at: 0, author: '', clients: [], data: new Uint8Array() },
        ],
      },
      { kind: 'stored', last: 12 },
      { kind: 'presence', update: data },
      { kind: 'presence-query' },
      say('{"é":"\u0000🦉"}'),
    ]
    for (const message of messages) here.relay.publish('notes/a', message)
    await vi.waitFor(() => expect(heard).toHaveLength(messages.length))
    expect(heard).toEqual(messages)
  })

  test('topics keep apart, whatever characters they have', async () => {
    const [here, there] = await openTwo()
    const topics = [
      'a',
      'a:b',
      'a/b',
      'A',
      'a ',
      'a*',
      'a?[b]',
      '%61',
      'é',
      'e\u0301',
      '🦉',
      '{a}',
      '\u0000',
      '"',
      'ö'.repeat(127),
    ]
    const heard = await Promise.all(topics.map((topic) => there.hear(topic)))
    for (const topic of topics) here.relay.publish(topic, say(topic))
    await vi.waitFor(() => expect(heard.flat()).toHaveLength(topics.length))
    expect(heard).toEqual(topics.map((topic) => [say(topic)]))
  })

  test('nobody hears themselves, another database, or what they have unsubscribed from', async () => {
    const [here, there] = await openTwo()
    const foreign = openRelay(redis.url, 'another-database')
    const prefix = openRelay(redis.url, 'the-database:notes')
    await isUp(foreign, prefix)
    const own = await here.hear('notes')
    const foreignHeard = [await foreign.hear('notes'), await prefix.hear('a'), await foreign.hear('notes:a')]
    const left = await there.hear('left')
    there.relay.unsubscribe('left')
    const heard = await there.hear('notes')
    const last = await there.hear('notes:a')
    for (const topic of ['left', 'notes', 'notes:a']) here.relay.publish(topic, say(topic))
    await vi.waitFor(() => expect(last).toHaveLength(1))
    expect(heard).toEqual([say('notes')])
    // The same connection carried it before the last one, if it was carried at all.
    expect([own, left, ...foreignHeard].flat()).toEqual([])
    for (const [publisher, to] of [
      [foreign, 'foreign'],
      [there, 'there'],
    ] as const) {
      publisher.relay.publish('notes', say(to))
    }
    await vi.waitFor(() => expect(own).toEqual([say('there')]))
  })

  test('the later listener of a topic takes the place of the earlier one', async () => {
    const [here, there] = await openTwo()
    const [earlier, later] = [await there.hear('notes'), await there.hear('notes')]
    here.relay.publish('notes', say('hello'))
    await vi.waitFor(() => expect(later).toEqual([say('hello')]))
    expect(earlier).toEqual([])
  })

  test('what no instance sent is ignored, and told once', async () => {
    const [here, there] = await openTwo()
    const heard = await there.hear('notes')
    await there.relay.subscribe('throws', () => {
      throw new Error('of the listener')
    })
    const third = new Redis(redis.url)
    onTestFinished(() => third.disconnect())
    const garbage = [
      Buffer.alloc(0),
      Buffer.from('hello'),
      Buffer.from([2, 0, 0]),
      Buffer.from([1, 255, 255, 255, 255, 15]),
    ]
    for (const bytes of garbage) await third.publish('coweave:topic:the-database:notes', bytes)
    here.relay.publish('throws', say('x'))
    here.relay.publish('notes', say('good'))
    await vi.waitFor(() => expect(heard).toEqual([say('good')]))
    expect(there.log.filter((line) => line.includes('could not be used'))).toHaveLength(1)
  })

  test('updates that are too large for Redis are told by their last position', async () => {
    const [here, there] = await openTwo()
    const heard = await there.hear('notes')
    const row = { at: 1, author: 'ann', clients: [], data: new Uint8Array(3 * 1024 * 1024) }
    here.relay.publish('notes', { kind: 'updates', first: 5, rows: [row, row, row] })
    here.relay.publish('notes', { kind: 'presence', update: new Uint8Array(5 * 1024 * 1024) })
    here.relay.publish('notes', { kind: 'updates', first: 8, rows: [row] })
    await vi.waitFor(() => expect(heard).toHaveLength(2))
    expect(heard).toEqual([
      { kind: 'stored', last: 7 },
      { kind: 'updates', first: 8, rows: [row] },
    ])
  })

  test('what was published before it closes is sent, and it hears nothing afterwards', async () => {
    const [here, there] = await openTwo()
    const [own, heard] = [await here.hear('notes'), await there.hear('notes')]
    here.relay.publish('notes', say('last words'))
    await here.relay.close()
    await vi.waitFor(() => expect(heard).toEqual([say('last words')]))
    there.relay.publish('notes', say('hello?'))
    await there.relay.close()
    expect(own).toEqual([])
    expect(here.changes).toEqual(['up'])
    expect(here.relay.isUp).toBe(false)
    here.relay.publish('notes', say('dropped'))
    await here.relay.close()
  })
})

describe('when Redis goes away', () => {
  test('at the start: it is taken up when it comes, with what was subscribed to before', async () => {
    const late = await startRedis()
    await late.stop()
    const [here, there] = [openRelay(late.url), openRelay(late.url)]
    const heard = await there.hear('notes')
    there.relay.unsubscribe('never')
    here.relay.publish('notes', say('dropped'))
    expect(here.relay.isUp).toBe(false)
    await vi.waitFor(() => expect(here.log.some((line) => line.includes('ECONNREFUSED'))).toBe(true))
    await late.start()
    await isLiveAgain(there, heard, here)
    expect([here.changes, there.changes]).toEqual([['up'], ['up']])
    await late.stop()
  })

  test('killed and started again', async () => {
    const [here, there] = await openTwo()
    const heard = await there.hear('notes')
    await redis.stop()
    await Promise.all([isDown(here), isDown(there)])
    const whileAway = await there.hear('while-away')
    const left = await there.hear('left')
    there.relay.unsubscribe('left')
    await redis.start()
    await isLiveAgain(there, heard, here)
    for (const topic of ['left', 'while-away']) here.relay.publish(topic, say(topic))
    await vi.waitFor(() => expect(whileAway).toEqual([say('while-away')]))
    expect(left).toEqual([])
    expect(there.changes).toEqual(['up', 'down', 'up'])
  })

  test('half-open: it stands still, and answers again', async () => {
    const [here, there] = await openTwo()
    const heard = await there.hear('notes')
    const startedAt = performance.now()
    redis.pause()
    onTestFinished(() => redis.resume())
    await isDown(there)
    expect(performance.now() - startedAt).toBeLessThan(6_000) // seconds, not the minutes that TCP takes
    await there.hear('while-away') // does not wait for who does not answer
    redis.resume()
    await isLiveAgain(there, heard, here)
  })

  test.each(['cut', 'stall'] as const)('the network to it: %s', async (how) => {
    const cable = await Cable.to(redis)
    onTestFinished(() => cable.close())
    const here = openRelay(redis.url)
    const there = openRelay(`redis://127.0.0.1:${new URL(cable.url).port}`)
    await isUp(here, there)
    const heard = await there.hear('notes')
    const startedAt = performance.now()
    cable[how]()
    await isDown(there)
    expect(performance.now() - startedAt).toBeLessThan(6_000) // seconds, not the minutes that TCP takes
    expect(here.changes).toEqual(['up'])
    cable.mend()
    await isLiveAgain(there, heard, here)
    await vi.waitFor(() => expect(cable.connections).toBe(2))
  })

  test('what is published meanwhile takes no memory', async () => {
    const own = await startRedis()
    const [here] = await openTwo(own.url)
    own.pause()
    const update = new Uint8Array(1024)
    const before = process.memoryUsage().external
    for (let sent = 1; sent <= 100_000; sent++) {
      here.relay.publish('notes', { kind: 'presence', update })
      if (sent % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const after = process.memoryUsage().external
    expect(here.changes).toEqual(['up', 'down'])
    // Of the 100 MB that were published: what may wait, its copy for the socket, and what is not yet collected.
    expect(after - before).toBeLessThan(60_000_000)
    own.resume()
    await isUp(here)
    await own.stop()
  })

  test('this process standing still is not Redis being away', async () => {
    const [here] = await openTwo()
    const until = performance.now() + 3_500
    while (performance.now() < until); // as a long garbage collection would
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(here.changes).toEqual(['up'])
  })

  test('many topics are all subscribed to again', async () => {
    const [here, there] = await openTwo()
    const topics = Array.from({ length: 2_500 }, (_, i) => `topic/${i}`)
    const heard = await Promise.all(topics.map((topic) => there.hear(topic)))
    await redis.stop()
    await Promise.all([isDown(here), isDown(there)])
    await redis.start()
    await isUp(here, there)
    for (const topic of topics) here.relay.publish(topic, say(topic))
    await vi.waitFor(() => expect(heard.flat()).toHaveLength(topics.length))
  })
})
