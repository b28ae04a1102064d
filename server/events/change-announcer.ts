import type { EventStore } from '../../persistence/event-store.ts'
import { Background, sleep } from './background.ts'

/** Whoever goes on editing is told of at last after so many times the delay. */
const LONGEST_DELAYS = 10
/** Told of at once, so that no edit waits for long. */
const STEP_DOCUMENTS = 100
const LONGEST_POLL_MS = 1_000

export interface ChangeAnnouncerOptions {
  readonly events: Pick<EventStore, 'untold' | 'tellChanges'>
  /** How long nobody may have edited a document before it is told that it was. */
  readonly delayMs: number
  readonly onProblem: (error: unknown) => void
}

/**
 * Tells that documents were changed, once for a run of edits. Which ones have changes to tell of stands in the log since the
 * commits of these changes, so that a crash delays it only; of several instances whoever comes first tells it.
 */
export class ChangeAnnouncer extends Background {
  readonly #options: ChangeAnnouncerOptions

  constructor(options: ChangeAnnouncerOptions) {
    super()
    this.#options = options
  }

  protected override async run(stopping: AbortSignal): Promise<void> {
    const { delayMs, onProblem } = this.#options
    while (!stopping.aborted) {
      let isMore = false
      try {
        isMore = await this.#tell()
      } catch (error) {
        onProblem(error)
      }
      // Not all instances at once.
      const pollMs = Math.min(LONGEST_POLL_MS, delayMs / 2) * (0.75 + Math.random() / 2)
      if (!isMore) await sleep(pollMs, stopping)
    }
  }

  /** Returns whether there may be more. */
  async #tell(): Promise<boolean> {
    const { events, delayMs } = this.#options
    const now = Date.now()
    const due = await events.untold({
      quietSince: now - delayMs,
      waitingSince: now - LONGEST_DELAYS * delayMs,
      limit: STEP_DOCUMENTS,
    })
    if (due.length > 0) await events.tellChanges(due.map(({ document }) => document))
    return due.length === STEP_DOCUMENTS
  }
}
