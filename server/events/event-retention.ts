import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { EventStore } from '../../persistence/event-store.ts'

const CONSUMER = 'coweave.retention'
const INTERVAL_MS = 60 * 60 * 1000
const DAY_MS = 24 * INTERVAL_MS
/** A server that was just started has other things to do. */
const FIRST_MS = 60_000
/** Deleted at once, so that no edit waits for long, and the pause for those that wait. */
const STEP_EVENTS = 500
const PAUSE_MS = 100

export interface EventRetentionOptions {
  readonly events: EventStore
  readonly days: number
  readonly onProblem: (error: unknown) => void
  /** How often it looks, ms. */
  readonly intervalMs?: number
}

/** Deletes events that are older than so many days, each hour, on one of the instances. */
export class EventRetention {
  readonly #options: EventRetentionOptions
  readonly #owner = randomUUID()
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: EventRetentionOptions) {
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
    const { events, onProblem, intervalMs = INTERVAL_MS } = this.#options
    let isOurs = false
    await this.#sleep(Math.min(FIRST_MS, intervalMs))
    while (!this.#stopping.signal.aborted) {
      try {
        // Kept until the next time, and a little longer, so that the same instance does it then.
        const claimed = await events.claim(CONSUMER, { owner: this.#owner, forMs: intervalMs * 1.5 })
        isOurs = claimed !== undefined
        if (isOurs) await this.#forget()
      } catch (error) {
        onProblem(error)
      }
      await this.#sleep(intervalMs)
    }
    if (isOurs) await events.release(CONSUMER, this.#owner).catch(onProblem)
  }

  async #forget(): Promise<void> {
    const { events, days } = this.#options
    const before = Date.now() - days * DAY_MS
    while ((await events.forget({ before, limit: STEP_EVENTS })) > 0 && !this.#stopping.signal.aborted) {
      await this.#sleep(PAUSE_MS)
    }
  }

  async #sleep(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => {}) // it stops
  }
}
