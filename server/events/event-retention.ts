import type { EventStore } from '../../persistence/event-store.ts'
import { sleep } from './background.ts'
import { Chore } from './chore.ts'

const INTERVAL_MS = 60 * 60 * 1000
const DAY_MS = 24 * INTERVAL_MS
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
export function eventRetention({ events, days, onProblem, intervalMs = INTERVAL_MS }: EventRetentionOptions): Chore {
  return new Chore({
    name: 'coweave.retention',
    events,
    intervalMs,
    onProblem,
    async work(stopping) {
      const before = Date.now() - days * DAY_MS
      while ((await events.forget({ before, limit: STEP_EVENTS })) > 0 && !stopping.aborted) {
        await sleep(PAUSE_MS, stopping)
      }
    },
  })
}
