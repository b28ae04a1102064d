import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { EventStore } from '../../persistence/event-store.ts'

/** A server that was just started has other things to do. */
const FIRST_MS = 60_000

export interface ChoreOptions {
  /** By which instances agree who does it. */
  readonly name: string
  readonly events: EventStore
  /** How often it is done. */
  readonly intervalMs: number
  readonly work: (stopping: AbortSignal) => Promise<void>
  readonly onProblem: (error: unknown) => void
}

/** Something that one of the instances does every so often. */
export class Chore {
  readonly #options: ChoreOptions
  readonly #owner = randomUUID()
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: ChoreOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { name, events, intervalMs, work, onProblem } = this.#options
    let isOurs = false
    await sleep(Math.min(FIRST_MS, intervalMs), this.#stopping.signal)
    while (!this.#stopping.signal.aborted) {
      try {
        // Kept until the next time, and a little longer, so that the same instance does it then.
        const claimed = await events.claim(name, { owner: this.#owner, forMs: intervalMs * 1.5 })
        isOurs = claimed !== undefined
        if (isOurs) await work(this.#stopping.signal)
      } catch (error) {
        if (!this.#stopping.signal.aborted) onProblem(error)
      }
      await sleep(intervalMs, this.#stopping.signal)
    }
    if (isOurs) await events.release(name, this.#owner).catch(onProblem)
  }
}

/** What comes of something that takes long; undefined at once if it is stopped: then it ends by itself, when the log closes. */
export async function unlessStopped<T>(work: Promise<T>, stopping: AbortSignal): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const stop = () => resolve(undefined)
  stopping.addEventListener('abort', stop)
  if (stopping.aborted) stop()
  try {
    return await Promise.race([work, promise])
  } finally {
    stopping.removeEventListener('abort', stop)
  }
}

/** Less if it is stopped. */
export async function sleep(ms: number, stopping: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal: stopping, ref: false }).catch(() => {}) // it stops
}
