import type { EventStore } from '../../persistence/event-store.ts'
import type { NewUpdate } from '../../persistence/update-log.ts'

/** How long an event of another instance may be in the log before those who wait here hear of it. */
const POLL_MS = 1_000

export interface EventBusOptions {
  readonly events: Pick<EventStore, 'last'>
  readonly onProblem: (error: unknown) => void
}

/**
 * Tells whoever reads the events (EventStore) that there may be more: those of this instance as soon as they are
 * committed, those of others within a second. Everybody reads them from the log, so that all get the same, in the same
 * order, however slow they are; nothing is kept for them here. The log is asked only while somebody waits.
 */
export class EventBus {
  readonly #options: EventBusOptions
  readonly #waiting = new Set<() => void>()
  #version = 0
  #last: number | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: EventBusOptions) {
    this.#options = options
  }

  /** Changes when there may be more events. To be taken before reading. */
  get version(): number {
    return this.#version
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** A batch is on disk, whose updates are at these positions, 0 for one that was left out. */
  committed(batch: readonly NewUpdate[], positions: readonly number[]): void {
    const happened = batch.some(({ events }, index) => events !== undefined && positions[index] !== 0)
    if (happened) this.#tell()
  }

  /** Resolves once there may be more than at `version`, after `timeoutMs`, or when the bus is closed. Never rejects. */
  async next(version: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#isClosed || version !== this.#version || signal?.aborted === true) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, timeoutMs).unref()
    this.#waiting.add(resolve)
    const onAbort = () => resolve()
    signal?.addEventListener('abort', onAbort)
    this.#timer ??= setTimeout(() => void this.#poll(), POLL_MS).unref()
    await promise
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    this.#waiting.delete(resolve)
  }

  /** Everybody who waits, or will, is told to end. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#tell()
  }

  async #poll(): Promise<void> {
    try {
      const last = await this.#options.events.last()
      if (last !== this.#last) this.#tell()
      this.#last = last
    } catch (error) {
      if (!this.#isClosed) this.#options.onProblem(error)
    }
    this.#timer =
      this.#waiting.size > 0 && !this.#isClosed ? setTimeout(() => void this.#poll(), POLL_MS).unref() : undefined
  }

  #tell(): void {
    this.#version += 1
    for (const resolve of [...this.#waiting]) resolve()
  }
}
