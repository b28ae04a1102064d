/** Whether tests run long: `SOAK=1`, the same code with more of everything. */
export const isSoak = process.env.SOAK !== undefined && process.env.SOAK !== '' && process.env.SOAK !== '0'

/** All the chance of a seeded test: the same seed makes the same choices. */
export interface Random {
  readonly seed: number
  /** A whole number from 0 to `below` - 1. */
  int(below: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number) => Math.floor(next() * below)
  return {
    seed,
    int,
    chance: (probability) => next() < probability,
    pick(items) {
      if (items.length === 0) throw new Error('nothing to pick from')
      return items[int(items.length)] as (typeof items)[number]
    },
  }
}

/**
 * The seeds to run a test with: `$SEED` alone if it is set, or else the `pinned` ones and `fresh` new ones; where tests are
 * to be short, the first pinned one stands for all. Put the seed into the test's title, so that a failure tells how to run
 * it again.
 */
export function seedsFor(pinned: readonly number[], fresh: number): number[] {
  if (process.env.SEED) return [Number(process.env.SEED)]
  const [first] = pinned
  if (first !== undefined && !isSoak) return [first]
  return [...pinned, ...Array.from({ length: fresh }, () => Math.floor(Math.random() * 2 ** 32))]
}
