import { CoweaveError } from '../../model/errors.ts'
import { WorkerThread } from '../../persistence/worker-thread.ts'
import { Turns } from './turns.ts'

export interface ThreadPoolOptions {
  /** The threads' script; see answer-calls.ts. */
  readonly entry: URL
  /** What they do, in one word; their refusals are `<role>/busy` and `<role>/too-many`. */
  readonly role: string
  readonly threads: number
  readonly maxWaiting: number
  /** Of one user, also those under way: one page that asks too often must not keep everybody else waiting. */
  readonly maxOfUser: number
  readonly onProblem: (error: Error) => void
}

/**
 * Threads that compute what would hold up the event loop: a few tasks at a time, the users in turn, each user's in the
 * order they came. A thread starts when it is first needed.
 */
export class ThreadPool<Request, Answer> {
  readonly #options: ThreadPoolOptions
  readonly #free: WorkerThread<Request, Answer>[] = []
  readonly #threads = new Set<WorkerThread<Request, Answer>>()
  readonly #waiting = new Turns<PromiseWithResolvers<WorkerThread<Request, Answer>>>()
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #ofUser = new Map<string, number>()
  #isClosed = false

  constructor(options: ThreadPoolOptions) {
    this.#options = options
  }

  /**
   * Does `work` with a thread that nobody else uses meanwhile, once there is one.
   * @throws {CoweaveError} `<role>/busy`, `<role>/too-many`
   */
  async use<T>(user: string, work: (thread: WorkerThread<Request, Answer>) => Promise<T>): Promise<T> {
    const { role, maxOfUser, maxWaiting } = this.#options
    const own = this.#ofUser.get(user) ?? 0
    if (own >= maxOfUser) {
      const problem = `${maxOfUser} requests of this user are under way; wait for them`
      throw new CoweaveError(`${role}/too-many`, problem)
    }
    if (this.#isClosed || this.#waiting.size >= maxWaiting) throw this.#busy()
    this.#ofUser.set(user, own + 1)
    try {
      return await this.#withThread(user, work)
    } finally {
      const left = (this.#ofUser.get(user) ?? 1) - 1
      if (left > 0) this.#ofUser.set(user, left)
      else this.#ofUser.delete(user)
    }
  }

  /** Refuses who waits, and ends the threads once they have answered. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next()) next.reject(this.#busy())
    await Promise.allSettled(this.#underWay)
    await Promise.all([...this.#threads].map((thread) => thread.close()))
  }

  async #withThread<T>(user: string, work: (thread: WorkerThread<Request, Answer>) => Promise<T>): Promise<T> {
    const thread = this.#take() ?? (await this.#wait(user))
    const result = work(thread)
    this.#underWay.add(result)
    try {
      return await result
    } finally {
      this.#underWay.delete(result)
      const next = this.#waiting.next()
      if (next === undefined) this.#free.push(thread)
      else next.resolve(thread)
    }
  }

  #wait(user: string): Promise<WorkerThread<Request, Answer>> {
    const waiting = Promise.withResolvers<WorkerThread<Request, Answer>>()
    this.#waiting.add(user, waiting)
    return waiting.promise
  }

  #take(): WorkerThread<Request, Answer> | undefined {
    const { entry, role, threads, onProblem } = this.#options
    const free = this.#free.pop()
    if (free !== undefined || this.#threads.size >= threads) return free
    const thread = new WorkerThread<Request, Answer>({ entry, role, place: role, settings: undefined, onProblem })
    this.#threads.add(thread)
    return thread
  }

  #busy(): CoweaveError {
    return new CoweaveError(`${this.#options.role}/busy`, `too many wait for ${this.#options.role}; try again later`)
  }
}
