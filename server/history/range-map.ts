interface Range {
  readonly start: number
  readonly end: number
  readonly value: number
}

/** What is known about one clock, and up to before which clock the same holds. */
export interface Found {
  readonly value: number | undefined
  readonly end: number
}

/** A number for each (client, clock), kept as ranges. What is set first stays. */
export class RangeMap {
  readonly #clients = new Map<number, Range[]>()

  /** Sets what has no value yet from `start` to before `end`. */
  add(client: number, start: number, end: number, value: number): void {
    const ranges = this.#clients.get(client) ?? []
    this.#clients.set(client, ranges)
    for (let clock = start; clock < end; ) {
      const index = indexOf(ranges, clock)
      const range = ranges[index]
      if (range !== undefined && range.start <= clock) {
        clock = range.end
        continue
      }
      const free = Math.min(end, range?.start ?? end)
      const before = ranges[index - 1]
      if (before?.end === clock && before.value === value) ranges[index - 1] = { ...before, end: free }
      else ranges.splice(index, 0, { start: clock, end: free, value })
      clock = free
    }
  }

  at(client: number, clock: number): Found {
    const ranges = this.#clients.get(client) ?? []
    const range = ranges[indexOf(ranges, clock)]
    if (range === undefined) return { value: undefined, end: Number.POSITIVE_INFINITY }
    return range.start <= clock ? range : { value: undefined, end: range.start }
  }
}

/** The index of the first range that ends behind `clock`. */
function indexOf(ranges: readonly Range[], clock: number): number {
  const last = ranges.at(-1)
  if (last === undefined || last.end <= clock) return ranges.length // as clients write
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle]?.end ?? 0) <= clock) low = middle + 1
    else high = middle
  }
  return low
}
