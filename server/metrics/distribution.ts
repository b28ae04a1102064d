/** How long most things take here: from a fraction of a millisecond to what `COMMIT_TIMEOUT` lets wait, seconds. */
export const SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]
export const COUNTS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]

/** How often something was how large. To observe it allocates nothing, since that happens with every message. */
export class Distribution {
  /** The upper end of each range; above the last one there is one more. */
  readonly bounds: readonly number[]
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let range = 0
    for (; range < this.bounds.length; range++) if (value <= (this.bounds[range] ?? 0)) break
    this.counts[range] = (this.counts[range] ?? 0) + 1
    this.sum += value
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }
}
