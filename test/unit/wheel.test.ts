import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type Timed, Wheel } from '../../server/connection/wheel.ts'

const start = Date.now()

beforeEach(() => {
  vi.useFakeTimers({ now: start })
  onTestFinished(() => void vi.useRealTimers())
})

function setUp() {
  const wheel = new Wheel<ReturnType<typeof memberOf>>()
  onTestFinished(() => wheel.stop())
  return wheel
}

/** Is called every `everyMs`, and notes when. */
function memberOf(everyMs: number) {
  const calls: number[] = []
  return {
    slot: -1,
    calls,
    tick(now: number) {
      calls.push(now - start)
      return now + everyMs
    },
  }
}

test('calls what is due, and nothing else', () => {
  const wheel = setUp()
  const [soon, late] = [memberOf(1_000), memberOf(20_000)]
  wheel.put(soon, start + 1_000)
  wheel.put(late, start + 20_000)
  for (let ms = 250; ms <= 4_000; ms += 250) wheel.turn(start + ms)
  expect(soon.calls.length).toBe(3)
  expect(late.calls).toEqual([])
  wheel.turn(start + 21_000)
  expect(soon.calls.length).toBe(4)
  expect(late.calls).toEqual([21_000])
})

test('what is due later than one turn is looked at once a turn', () => {
  const wheel = setUp()
  const member = memberOf(Number.POSITIVE_INFINITY)
  wheel.put(member, Number.POSITIVE_INFINITY)
  for (let ms = 250; ms <= 120_000; ms += 250) wheel.turn(start + ms)
  expect(member.calls.length).toBe(3)
})

test('after a long pause each is called once', () => {
  const wheel = setUp()
  const members = [1_000, 10_000, 31_000].map((due) => {
    const member = memberOf(5_000)
    wheel.put(member, start + due)
    return member
  })
  wheel.turn(start + 600_000)
  expect(members.map(({ calls }) => calls)).toEqual([[600_000], [600_000], [600_000]])
})

test('who was put elsewhere or taken out is not called where it was', () => {
  const wheel = setUp()
  const [moved, gone] = [memberOf(60_000), memberOf(60_000)]
  const ender = {
    ...memberOf(60_000),
    tick(now: number) {
      wheel.delete(gone)
      return now + 60_000
    },
  }
  wheel.put(moved, start + 1_000)
  wheel.put(ender, start + 2_000)
  wheel.put(gone, start + 2_000)
  wheel.put(moved, start + 3_000)
  wheel.turn(start + 2_500)
  expect([moved.calls, gone.calls]).toEqual([[], []])
  wheel.turn(start + 3_500)
  expect(moved.calls).toEqual([3_500])
  wheel.turn(start + 40_000)
  expect(gone.calls).toEqual([])
})

test('after a pause of the process, what has come meanwhile is read before anything is due', async () => {
  vi.useRealTimers()
  const wheel = new Wheel<Timed>()
  const order: string[] = []
  const server = createServer((socket) => socket.on('data', () => order.push('read'))).listen(0, '127.0.0.1')
  onTestFinished(() => {
    wheel.stop()
    server.close()
  })
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => void client.destroy())
  await Promise.all([once(client, 'connect'), once(server, 'connection')])
  const dueAt = Date.now() + 300
  await new Promise<void>((resolve) => {
    const tick = () => {
      order.push('due')
      resolve()
      return Number.POSITIVE_INFINITY
    }
    wheel.put({ slot: -1, tick }, dueAt)
    client.write('here I am')
    while (Date.now() < dueAt + 700);
  })
  expect(order).toEqual(['read', 'due'])
})

test('what comes during a pause is read first, too, when the pause begins behind the timers', () => {
  const wheel = setUp()
  const member = memberOf(1_000)
  wheel.put(member, start + 1_000)
  // The next step's timer has fired, and while sockets are read the process stops.
  vi.advanceTimersToNextTimer()
  vi.setSystemTime(start + 60_000)
  vi.advanceTimersToNextTimer()
  expect(member.calls).toEqual([])
  vi.advanceTimersToNextTimer()
  vi.advanceTimersToNextTimer()
  expect(member.calls).toHaveLength(1)
})

test('a wheel with nobody on it has no timer, and turns again for who comes', () => {
  const wheel = setUp()
  expect(vi.getTimerCount()).toBe(0)
  const member = memberOf(1_000)
  wheel.put(member, Date.now() + 1_000)
  vi.advanceTimersByTime(2_000)
  wheel.delete(member)
  vi.advanceTimersByTime(1_000)
  expect([member.calls.length, vi.getTimerCount()]).toEqual([1, 0])
  vi.advanceTimersByTime(600_000)
  wheel.put(member, Date.now() + 1_000)
  vi.advanceTimersByTime(2_000)
  expect(member.calls.length).toBe(2)
})
