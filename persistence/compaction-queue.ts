type Job = PromiseWithResolvers<number> & { optional: boolean }

/** Compactions, one at a time in the order they were asked for, and never two waiting for the same document. */
export class CompactionQueue {
  readonly #compact: (document: string, options: { optional: boolean }) => Promise<number>
  readonly #waiting = new Map<string, Job>()
  /** What comes before the next compaction. */
  readonly #between: (() => Promise<void>)[] = []
  #running: Promise<void> | undefined
  /** When optional compactions are no longer begun. */
  #deadline = Number.POSITIVE_INFINITY

  constructor(compact: (document: string, options: { optional: boolean }) => Promise<number>) {
    this.#compact = compact
  }

  /**
   * Resolves with the snapshot's position. A compaction already under way may have begun too early to count.
   * An optional one may be left out when the queue stops; it then resolves with 0.
   */
  request(document: string, { optional }: { optional: boolean }): Promise<number> {
    const job = this.#waiting.get(document) ?? { ...Promise.withResolvers<number>(), optional }
    job.optional &&= optional
    this.#waiting.set(document, job)
    this.#running ??= this.#run()
    return job.promise
  }

  /** Does something else while nothing is compacted. */
  between<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#between.push(() => work().then(resolve, reject))
    this.#running ??= this.#run()
    return promise
  }

  /** Waits until all is done; what is optional is left out if it has not begun in `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#deadline = performance.now() + graceMs
    await this.#running
  }

  async #run(): Promise<void> {
    // A Map's iterator also meets what is added on the way.
    await this.#runBetween()
    for (const [document, job] of this.#waiting) {
      this.#waiting.delete(document)
      if (job.optional && performance.now() > this.#deadline) job.resolve(0)
      else await this.#compact(document, { optional: job.optional }).then(job.resolve, job.reject)
      await this.#runBetween()
    }
    this.#running = undefined
  }

  async #runBetween(): Promise<void> {
    for (let work = this.#between.shift(); work !== undefined; work = this.#between.shift()) await work()
  }
}
