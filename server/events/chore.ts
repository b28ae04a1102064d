import { randomUUID } from 'node:crypto'
import type { EventStore } from '../../persistence/event-store.ts'
import { Background, sleep } from './background.ts'

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
export class Chore extends Background {
  readonly #options: ChoreOptions
  readonly #owner = randomUUID()

  constructor(options: ChoreOptions) {
    super()
    this.#options = options
  }

  protected override async run(stopping: AbortSignal): Promise<void> {
    const { name, events, intervalMs, work, onProblem } = this.#options
    let isOurs = false
    await sleep(Math.min(FIRST_MS, intervalMs), stopping)
    while (!stopping.aborted) {
      try {
        // Kept until the next time, and a little longer, so that the same instance does it then.
        const claimed = await events.claim(name, { owner: this.#owner, forMs: intervalMs * 1.5 })
        isOurs = claimed !== undefined
        if (isOurs) await work(stopping)
      } catch (error) {
        if (!stopping.aborted) onProblem(error)
      }
      await sleep(intervalMs, stopping)
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
