import { Worker } from 'node:worker_threads'
import { CoweaveError } from '../model/errors.ts'
import { isStorageErrorCode, StorageError } from './storage-error.ts'

/**
 * What a thread allocates lives for one call. V8 would let each of them fill 48 MiB with that before it looks, and more
 * outside of its heap; a thread that looks sooner has hardly anything to keep.
 */
const YOUNG_MB = 16

/** What the main thread sends to a worker. `close` is the last one: it is answered, and the thread ends. */
export interface Call<Request> {
  readonly id: number
  readonly request: Request | { readonly kind: 'close' }
}

export type Reply<Answer> =
  | { readonly id: number; readonly answer: Answer }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } }

export interface WorkerThreadOptions {
  readonly entry: URL
  /** What the thread does, in one word. */
  readonly role: string
  /** The database, as errors name it. */
  readonly place: string
  /** The worker's `workerData`. */
  readonly settings: unknown
  readonly onProblem: (error: Error) => void
}

/**
 * A worker thread seen from outside: calls go in, answers come back in order. If the thread dies, whoever waits gets
 * `storage/unavailable`, and the next call starts a new one.
 */
export class WorkerThread<Request, Answer> {
  readonly #options: WorkerThreadOptions
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>()
  #worker: Worker | undefined
  #lastId = 0
  #closed: Promise<void> | undefined

  constructor(options: WorkerThreadOptions) {
    this.#options = options
    this.#worker = this.#start()
  }

  /**
   * Byte arrays that own their memory are moved to the worker: name them in `moved`.
   * @throws {RangeError} for a request that is nested too deep
   */
  call(request: Request, moved: readonly Uint8Array<ArrayBuffer>[] = []): Promise<Answer> {
    return this.#call(request, moved)
  }

  /** Answers what has been called, then ends the thread. Never rejects: there is nothing left to save here. */
  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  #call(request: Call<Request>['request'], moved: readonly Uint8Array<ArrayBuffer>[]): Promise<Answer> {
    this.#worker ??= this.#start()
    const call: Call<Request> = { id: ++this.#lastId, request }
    const waiting = Promise.withResolvers<Answer>()
    this.#worker.postMessage(
      call,
      moved.map((bytes) => bytes.buffer),
    )
    // After that: what can't be sent is never answered.
    this.#waiting.set(call.id, waiting)
    return waiting.promise
  }

  async #close(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.allSettled([...this.#waiting.values()].map(({ promise }) => promise))
    const worker = this.#worker
    if (worker === undefined) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    await this.#call({ kind: 'close' }, []).catch(this.#options.onProblem)
    await exited
  }

  #start(): Worker {
    const { entry, role, settings } = this.#options
    const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MB }
    const worker = new Worker(entry, { workerData: settings, name: `coweave ${role}`, resourceLimits })
    let cause: unknown
    worker.on('message', (reply: Reply<Answer>) => this.#settle(reply))
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', () => this.#ended(worker, cause))
    return worker
  }

  #settle(reply: Reply<Answer>): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('answer' in reply) waiting?.resolve(reply.answer)
    else waiting?.reject(errorOf(reply.error))
  }

  #ended(worker: Worker, cause: unknown): void {
    if (this.#worker === worker) this.#worker = undefined
    if (this.#closed !== undefined && this.#waiting.size === 0) return // as it should
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const message = `${this.#options.place}: the ${this.#options.role} thread ended unexpectedly${why}`
    const error = new StorageError('storage/unavailable', message, { cause })
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(error)
    this.#options.onProblem(error)
  }
}

function errorOf({ code, message }: { readonly code: string; readonly message: string }): CoweaveError {
  return isStorageErrorCode(code) ? new StorageError(code, message) : new CoweaveError(code, message)
}
