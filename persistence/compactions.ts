import { CompactionQueue } from './compaction-queue.ts'

const RETRY_COMPACTION_MS = 60_000
/** Compactions that wait when the log is closed still begin within this time: they make the next load quick. */
const CLOSING_COMPACTIONS_MS = 2_000

/** When documents are compacted: those asked for, and those that are due. */
export class Compactions {
  readonly #queue: CompactionQueue
  readonly #onProblem: (error: Error) => void
  /** When compacting a document failed last: one that is damaged is not tried with every edit. */
  readonly #failedAt = new Map<string, number>()
  #stopped = false

  /** `compact` resolves with the snapshot's position. What is `optional` may be left out; it then resolves with 0. */
  constructor(
    compact: (document: string, options: { optional: boolean }) => Promise<number>,
    onProblem: (error: Error) => void,
  ) {
    this.#queue = new CompactionQueue(compact)
    this.#onProblem = onProblem
  }

  /** Compacts a document that was asked for. Resolves with the snapshot's position. */
  now(document: string): Promise<number> {
    return this.#queue.request(document, { optional: false })
  }

  /** Does something else while nothing is compacted. */
  between<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue.between(work)
  }

  /** Compacts a document that is due, beside everything else. */
  soon(document: string): void {
    const failedAt = this.#failedAt.get(document)
    if (this.#stopped || (failedAt !== undefined && Date.now() - failedAt < RETRY_COMPACTION_MS)) return
    this.#queue.request(document, { optional: true }).then(
      () => this.#failedAt.delete(document),
      (error) => {
        this.#failedAt.set(document, Date.now())
        this.#onProblem(error)
      },
    )
  }

  /** Waits for those asked for, and for those that are due for a short time. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#queue.stop(CLOSING_COMPACTIONS_MS)
  }
}
