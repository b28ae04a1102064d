const MIN_MS = 500
const FIRST_CEILING_MS = 3_000
const MAX_MS = 30_000

/**
 * How long to wait before the `attempt`th try to come back, from 1, in ms: evenly spread from half a second up to a
 * ceiling that doubles from three seconds to thirty. All of it is jitter, the first wait too, so that those whom a
 * restart threw out together come back apart.
 */
export function retryDelayMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MAX_MS, FIRST_CEILING_MS * 2 ** Math.max(0, attempt - 1))
  return MIN_MS + random() * (ceiling - MIN_MS)
}
