import { Worker } from 'node:worker_threads'
import { StorageError } from '../storage-error.ts'
import type { Call, Reply, Request, WorkerSettings } from './protocol.ts'

type Waiting = PromiseWithResolvers<Uint8Array<ArrayBuffer>>

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

/**
 * A worker thread seen from outside: calls go in, answers come back in order. If the thread dies, whoever waits gets
 * `storage/unavailable`, and the next call starts a new one.
 */
export class WorkerThread {
  readonly #entry: URL
  readonly #settings: WorkerSettings
  readonly #onProblem: (error: Error) => void
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #lastId = 0
  #closed: Promise<void> | undefined

  constructor(settings: WorkerSettings, onProblem: (error: Error) => void, entry = ENTRY) {
    this.#entry = entry
    this.#settings = settings
    this.#onProblem = onProblem
    this.#worker = this.#start()
  }

  /** Byte arrays that own their memory are moved to the worker: name them in `moved`. */
  call(request: Request, moved: readonly Uint8Array<ArrayBuffer>[] = []): Promise<Uint8Array<ArrayBuffer>> {
    this.#worker ??= this.#start()
    const call: Call = { id: ++this.#lastId, request }
    const waiting: Waiting = Promise.withResolvers()
    this.#waiting.set(call.id, waiting)
    this.#worker.postMessage(
      call,
      moved.map((bytes) => bytes.buffer),
    )
    return waiting.promise
  }

  /** Answers what has been called, then ends the thread. Never rejects: there is nothing left to save here. */
  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.allSettled([...this.#waiting.values()].map(({ promise }) => promise))
    const worker = this.#worker
    if (worker === undefined) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    await this.call({ kind: 'close' }).catch(this.#onProblem)
    await exited
  }

  #start(): Worker {
    const worker = new Worker(this.#entry, { workerData: this.#settings, name: `coweave ${this.#settings.role}` })
    let cause: unknown
    worker.on('message', (reply: Reply) => this.#settle(reply))
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', () => this.#ended(worker, cause))
    return worker
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('bytes' in reply) waiting?.resolve(reply.bytes)
    else waiting?.reject(new StorageError(reply.error.code, reply.error.message))
  }

  #ended(worker: Worker, cause: unknown): void {
    if (this.#worker === worker) this.#worker = undefined
    if (this.#closed !== undefined && this.#waiting.size === 0) return // as it should
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const message = `${this.#settings.file}: the ${this.#settings.role} thread ended unexpectedly${why}`
    const error = new StorageError('storage/unavailable', message, { cause })
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(error)
    this.#onProblem(error)
  }
}
