import { expect, test } from 'vitest'
import { type Load, LoadGuard } from '../../server/connection/load-guard.ts'

const idle: Load = { delayMs: 1, memoryBytes: 100, heapShare: 0.1 }

function guardUnder(load: { now: Load }): LoadGuard {
  return new LoadGuard({ maxDelayMs: 100, maxMemoryBytes: 1_000 }, { measure: () => load.now, stop() {} })
}

test('tells what is too much, for as long as it is', () => {
  const load = { now: idle }
  const guard = guardUnder(load)
  const problemUnder = (now: Partial<Load>) => {
    load.now = { ...idle, ...now }
    guard.look()
    return guard.problem
  }
  expect(problemUnder({})).toBeUndefined()
  expect(problemUnder({ delayMs: 101 })).toBe('the server is busy')
  expect(problemUnder({ delayMs: 100 })).toBeUndefined()
  expect(problemUnder({ memoryBytes: 1_001 })).toBe('the server is short of memory')
  expect(problemUnder({ heapShare: 0.9 })).toBe('the server is short of memory')
  expect(problemUnder({})).toBeUndefined()
  guard.close()
})

test('a loop that is held up all the time is late', async () => {
  const guard = new LoadGuard({ maxDelayMs: 50, maxMemoryBytes: 0 })
  const block = () => {
    const until = performance.now() + 150
    while (performance.now() < until);
  }
  while (guard.problem === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    block()
  }
  expect(guard.problem).toBe('the server is busy')
  guard.close()
})
