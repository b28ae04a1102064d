import { setTimeout } from 'node:timers/promises'

/** Work that goes on beside everything else, from start() to stop(). */
export abstract class Background {
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined

  start(): void {
    this.#running ??= this.run(this.#stopping.signal)
  }

  /** Resolves once what is being done is. What is left is for other instances, or for the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /** Ends soon after `stopping`, and handles its failures itself. */
  protected abstract run(stopping: AbortSignal): Promise<void>
}

/** Less if it is stopped. */
export async function sleep(ms: number, stopping: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal: stopping, ref: false }).catch(() => {}) // it stops
}
