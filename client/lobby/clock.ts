/** What time it is, and a call later. */
export interface Clock {
  /** ms since 1970. */
  now(): number
  /** Calls `act` once `delayMs` have passed; returns what cancels it. */
  after(delayMs: number, act: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, act) {
    const timer = setTimeout(act, delayMs)
    return () => clearTimeout(timer)
  },
}
