import { expect, test } from 'vitest'
import { retryDelayMs } from '../../client/back-off.ts'
import { createRandom, seedsFor } from '../support/random.ts'

test('waits stay between half a second and a ceiling that doubles up to thirty seconds', () => {
  const shortest = [1, 2, 3, 4, 5, 6, 50].map((attempt) => retryDelayMs(attempt, () => 0))
  expect(new Set(shortest)).toEqual(new Set([500]))
  const longest = [1, 2, 3, 4, 5, 6, 50].map((attempt) => retryDelayMs(attempt, () => 1))
  expect(longest).toEqual([3_000, 6_000, 12_000, 24_000, 30_000, 30_000, 30_000])
})

test.each(seedsFor([1], 1))('those thrown out together come back apart, from the first try on (SEED=%i)', (seed) => {
  const random = createRandom(seed)
  const delays = Array.from({ length: 10_000 }, () => retryDelayMs(1, () => random.int(1e6) / 1e6))
  const tenths = Array.from({ length: 10 }, (_, tenth) => {
    const from = 500 + tenth * 250
    return delays.filter((delay) => delay >= from && delay < from + 250).length
  })
  // A thousand in each: six standard deviations to either side.
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(180)
})
