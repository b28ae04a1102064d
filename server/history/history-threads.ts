import { CoweaveError } from '../../model/errors.ts'
import { WorkerThread } from '../../persistence/worker-thread.ts'
import type { Answer, Request } from './protocol.ts'

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
/** Each may need many times the memory of the rows it is given. */
const THREADS = 2
const MAX_WAITING = 32
/** Of one user, also those under way: one page that asks too often must not keep everybody else waiting. */
const MAX_OF_USER = 4

export type HistoryThread = WorkerThread<Request, Answer>

/** The threads in which history is computed, a few tasks at a time, in the order they came. */
export class HistoryThreads {
  readonly #onProblem: (error: Error) => void
  readonly #free: HistoryThread[] = []
  readonly #threads = new Set<HistoryThread>()
  readonly #waiting: PromiseWithResolvers<HistoryThread>[] = []
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #ofUser = new Map<string, number>()
  #isClosed = false

  constructor(onProblem: (error: Error) => void) {
    this.#onProblem = onProblem
  }

  /**
   * Does `work` with a thread that nobody else uses meanwhile, once there is one.
   * @throws {CoweaveError} `history/busy`, `history/too-many`
   */
  async use<T>(user: string, work: (thread: HistoryThread) => Promise<T>): Promise<T> {
    const own = this.#ofUser.get(user) ?? 0
    if (own >= MAX_OF_USER) {
      throw new CoweaveError('history/too-many', `${MAX_OF_USER} requests of this user are under way; wait for them`)
    }
    if (this.#isClosed || this.#waiting.length >= MAX_WAITING) throw busy()
    this.#ofUser.set(user, own + 1)
    try {
      return await this.#withThread(work)
    } finally {
      const left = (this.#ofUser.get(user) ?? 1) - 1
      if (left > 0) this.#ofUser.set(user, left)
      else this.#ofUser.delete(user)
    }
  }

  /** Refuses who waits, and ends the threads once they have answered. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { reject } of this.#waiting.splice(0)) reject(busy())
    await Promise.allSettled(this.#underWay)
    await Promise.all([...this.#threads].map((thread) => thread.close()))
  }

  async #withThread<T>(work: (thread: HistoryThread) => Promise<T>): Promise<T> {
    const thread = this.#take() ?? (await this.#wait())
    const result = work(thread)
    this.#underWay.add(result)
    try {
      return await result
    } finally {
      this.#underWay.delete(result)
      const next = this.#waiting.shift()
      if (next === undefined) this.#free.push(thread)
      else next.resolve(thread)
    }
  }

  #wait(): Promise<HistoryThread> {
    const waiting = Promise.withResolvers<HistoryThread>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  #take(): HistoryThread | undefined {
    const free = this.#free.pop()
    if (free !== undefined || this.#threads.size >= THREADS) return free
    const thread: HistoryThread = new WorkerThread({
      entry: ENTRY,
      role: 'history',
      place: 'history',
      settings: undefined,
      onProblem: this.#onProblem,
    })
    this.#threads.add(thread)
    return thread
  }
}

function busy(): CoweaveError {
  return new CoweaveError('history/busy', 'too many wait for history; try again a little later')
}
