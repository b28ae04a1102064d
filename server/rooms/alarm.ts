/** Calls `ring` at the earliest of the times it is set to, and then at none until it is set again. */
export class Alarm {
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #dueAt = Number.POSITIVE_INFINITY

  constructor(ring: () => void) {
    this.#ring = ring
  }

  set(delayMs: number): void {
    const dueAt = performance.now() + Math.max(0, delayMs)
    if (dueAt >= this.#dueAt) return
    this.clear()
    this.#dueAt = dueAt
    this.#timer = setTimeout(() => {
      this.#dueAt = Number.POSITIVE_INFINITY
      this.#ring()
    }, delayMs)
    this.#timer.unref()
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#dueAt = Number.POSITIVE_INFINITY
  }
}

/** A delay of at least and at most so much: of several instances that wait, one is first. */
export function someDelayMs([least, most]: readonly [number, number]): number {
  return least + Math.random() * (most - least)
}
