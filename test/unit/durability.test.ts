import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { Durability } from '../../server/documents/durability.ts'

/** A log whose commits end when the test says so. */
class ControlledLog {
  readonly batches: {
    updates: readonly NewUpdate[]
    resolve: (positions?: number[]) => void
    reject: (error: Error) => void
  }[] = []

  append(updates: readonly NewUpdate[]): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const inOrder = updates.map((_, index) => index + 1)
      this.batches.push({ updates, resolve: (positions = inOrder) => resolve(positions), reject })
    })
  }

  last() {
    const batch = this.batches.at(-1)
    if (batch === undefined) throw new Error('nothing was appended')
    return batch
  }
}

function setUp() {
  const log = new ControlledLog()
  const lost: { documents: string[]; committed: number }[] = []
  const refused: { documents: string[]; committed: number }[] = []
  const recovered = vi.fn()
  const durability: Durability = new Durability(log as unknown as UpdateLog, {
    commitTimeoutMs: 1_000,
    onFailure: () => {},
    onLost: (documents) => lost.push({ documents: [...documents], committed: durability.committed }),
    onRefused: (documents) => refused.push({ documents: [...documents], committed: durability.committed }),
    onRecovered: recovered,
  })
  const append = (document: string, more: Partial<NewUpdate> = {}, onSettled?: (position?: number) => void) =>
    durability.append(
      { document, at: Date.now(), author: 'ann', data: new Uint8Array(10), clients: [], ...more },
      onSettled,
    )
  return { log, lost, refused, recovered, durability, append }
}

describe('durability', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  test('wakes the process only while something waits', async () => {
    const { log, append } = setUp()
    expect(vi.getTimerCount()).toBe(0)
    append('a')
    await vi.advanceTimersByTimeAsync(10)
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('[promise 1] counts as committed only what the log has confirmed, batch by batch', async () => {
    const { log, durability, append } = setUp()
    append('a')
    append('b')
    await vi.advanceTimersByTimeAsync(1)
    expect(log.last().updates).toHaveLength(2)
    append('c')
    append('d')
    append('e')
    await vi.advanceTimersByTimeAsync(10)
    expect(log.batches).toHaveLength(1)
    expect([durability.appended, durability.committed]).toEqual([5, 0])
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect(durability.committed).toBe(2)
    expect(log.last().updates).toHaveLength(3)
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect([durability.committed, durability.waitingBytes]).toEqual([5, 0])
  })

  test('tries a failed commit again with the same batch', async () => {
    const { log, lost, durability, append } = setUp()
    append('a')
    await vi.advanceTimersByTimeAsync(1)
    log.last().reject(new Error('disk full'))
    await vi.advanceTimersByTimeAsync(60)
    expect(log.batches).toHaveLength(2)
    expect(log.batches[1]?.updates).toBe(log.batches[0]?.updates)
    expect([durability.healthy, durability.committed]).toEqual([false, 0])
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect([durability.healthy, durability.committed, lost]).toEqual([true, 1, []])
  })

  test('[promise 1] gives up late updates before anything may leave, and recovers by itself', async () => {
    const { log, lost, recovered, durability, append } = setUp()
    append('a')
    await vi.advanceTimersByTimeAsync(1)
    log.last().reject(new Error('disk full'))
    append('b')
    const settled = durability.settled()
    const failing = setInterval(() => log.batches.length > 1 && log.last().reject(new Error('disk full')), 10)
    await vi.advanceTimersByTimeAsync(1_500)
    expect(lost).toEqual([{ documents: ['a', 'b'], committed: 0 }])
    await settled
    clearInterval(failing)
    await vi.advanceTimersByTimeAsync(1_100)
    // Nothing waits any more: it asks the log with empty batches.
    expect(log.last().updates).toEqual([])
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect(durability.healthy).toBe(true)
    expect(recovered).toHaveBeenCalledOnce()
    durability.close()
  })

  test('a commit that never ends is given up too, and its late end does no harm', async () => {
    const { log, lost, durability, append } = setUp()
    append('a')
    await vi.advanceTimersByTimeAsync(1_500)
    expect(lost).toEqual([{ documents: ['a'], committed: 0 }])
    const counts = [durability.appended, durability.committed]
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect([durability.appended, durability.committed]).toEqual(counts)
    expect(durability.waitingBytes).toBe(0)
    append('b')
    await vi.advanceTimersByTimeAsync(1)
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect([durability.healthy, durability.committed]).toEqual([true, 2])
  })

  test('a server at rest tries whether storage takes writes, and not more often than it must', async () => {
    const { log, durability, append } = setUp()
    const check = async () => {
      let answer: boolean | undefined
      durability.check().then((found) => {
        answer = found
      })
      await vi.advanceTimersByTimeAsync(1)
      return () => answer
    }
    const first = await check()
    expect(first()).toBeUndefined()
    expect(log.last().updates).toEqual([])
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect(first()).toBe(true)
    expect((await check())()).toBe(true)
    expect(log.batches).toHaveLength(1)

    await vi.advanceTimersByTimeAsync(3_000)
    const [failing, beside] = [await check(), await check()]
    expect(log.batches).toHaveLength(2)
    log.last().reject(new Error('away'))
    await vi.advanceTimersByTimeAsync(1)
    expect([failing(), beside(), (await check())()]).toEqual([false, false, false])
    await vi.advanceTimersByTimeAsync(100) // tried again, without anybody asking
    expect(log.batches).toHaveLength(3)
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect((await check())()).toBe(true)

    await vi.advanceTimersByTimeAsync(3_000)
    const unanswered = await check()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(unanswered()).toBe(false)
    append('a')
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect([durability.committed, (await check())()]).toEqual([1, true])
  })

  test('[promise 1] what the log left out is refused before anything may leave, with all that waits behind it', async () => {
    const { log, refused, durability, append } = setUp()
    const settled: [string, number | undefined][] = []
    const note = (what: string) => (position?: number) => settled.push([what, position])
    append('a', {}, note('a1'))
    append('b', {}, note('b1'))
    await vi.advanceTimersByTimeAsync(1)
    append('a', {}, note('a2'))
    append('b', {}, note('b2'))
    log.last().resolve([0, 1])
    await vi.advanceTimersByTimeAsync(1)
    expect(refused).toEqual([{ documents: ['a'], committed: 0 }])
    expect(durability.committed).toBe(2)
    expect(log.last().updates.map(({ document }) => document)).toEqual(['b'])
    log.last().resolve([2])
    await vi.advanceTimersByTimeAsync(1)
    expect(settled).toEqual([
      ['a2', undefined],
      ['a1', 0],
      ['b1', 1],
      ['b2', 2],
    ])
    expect([durability.appended, durability.committed, durability.waitingBytes]).toEqual([4, 4, 0])
  })

  test('also where nothing else is left to write', async () => {
    const { log, durability, append } = setUp()
    append('a')
    await vi.advanceTimersByTimeAsync(1)
    append('a')
    log.last().resolve([0])
    await vi.advanceTimersByTimeAsync(1)
    log.last().resolve()
    await vi.advanceTimersByTimeAsync(1)
    expect([log.last().updates, durability.appended, durability.committed]).toEqual([[], 2, 2])
  })

  test('what follows an update is given up with it, and with nothing else', async () => {
    const { log, refused, append } = setUp()
    const settled: unknown[] = []
    const noted = (name: string) => (position: number | undefined) => settled.push([name, position])
    append('a', { clients: [1] })
    await vi.advanceTimersByTimeAsync(1)
    append('a', {}, noted('a'))
    append('inbox/x', { follows: true }, noted('follows a'))
    append('b', {}, noted('b'))
    append('a', { follows: true }, noted('follows b'))
    log.last().resolve([0])
    await vi.advanceTimersByTimeAsync(1)
    expect(settled).toEqual([
      ['a', undefined],
      ['follows a', undefined],
    ])
    log.last().resolve([1, 0])
    await vi.advanceTimersByTimeAsync(1)
    expect(settled.slice(2)).toEqual([
      ['b', 1],
      ['follows b', 0],
    ])
    expect(refused.map(({ documents }) => documents)).toEqual([['a']])
  })

  test('what the log left out since it expected something else refuses no document', async () => {
    const { log, refused, append } = setUp()
    const settled = vi.fn()
    append('a', { expects: { room: 'chat/a', lastSeq: 3 } }, settled)
    await vi.advanceTimersByTimeAsync(1)
    log.last().resolve([0])
    await vi.advanceTimersByTimeAsync(1)
    expect([refused, settled.mock.calls]).toEqual([[], [[0]]])
  })
})
