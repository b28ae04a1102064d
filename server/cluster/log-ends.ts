import { setImmediate, setTimeout } from 'node:timers/promises'
import type { UpdateLog } from '../../persistence/update-log.ts'

/** One question is asked so long after the one before it, ms: each wakes a thread, which costs more than many names. */
const PAUSE_MS = 10

interface Question {
  readonly names: string[]
  readonly answer: PromiseWithResolvers<readonly number[]>
}

/**
 * Where documents end in the log, for many who ask one by one: those who come together, or while a question is under way,
 * are asked for in one, so that a crowd that joins costs few.
 */
export class LogEnds {
  readonly #log: Pick<UpdateLog, 'positions'>
  #next: Question | undefined
  #isAsking = false
  #askedAt = 0

  constructor(log: Pick<UpdateLog, 'positions'>) {
    this.#log = log
  }

  /** The position of the last row that was committed before the call, or after it; as UpdateLog.positions(). @throws {StorageError} */
  async of(name: string): Promise<number> {
    this.#next ??= { names: [], answer: Promise.withResolvers() }
    const { names, answer } = this.#next
    const index = names.push(name) - 1
    if (!this.#isAsking) void this.#ask()
    return (await answer.promise)[index] ?? 0
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    while (this.#next !== undefined) {
      const pauseMs = this.#askedAt + PAUSE_MS - performance.now()
      await (pauseMs > 0 ? setTimeout(pauseMs) : setImmediate())
      const { names, answer } = this.#next
      this.#next = undefined
      this.#askedAt = performance.now()
      await this.#log.positions(names).then(answer.resolve, answer.reject)
    }
    this.#isAsking = false
  }
}
