import type { Logger } from 'pino'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { Chore } from '../events/chore.ts'
import { positionAt } from './position-at.ts'

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS
/** How often it is looked for history that is old enough, at least and at most. */
const INTERVAL_MS = { least: 500, most: 6 * HOUR_MS } as const
/** Documents that are looked at in one go. */
const PAGE = 500

export interface HistoryRetentionOptions {
  readonly log: UpdateLog
  readonly logger: Logger
  /** How long rows are kept; 0 for ever. */
  readonly keptDays: number
}

/**
 * Forgets the rows of all documents that are older than so many days, on one of the instances, a document at a time; also
 * what a forgetting that was interrupted has left. Rows of one document are forgotten together for a tenth of that time,
 * or a day, so that not each row that gets old costs a snapshot.
 */
export function historyRetention({ log, logger, keptDays }: HistoryRetentionOptions): Chore {
  const keptMs = keptDays * DAY_MS

  async function forget(document: string, at: number): Promise<void> {
    const start = await log.historyStart(document)
    const until = at < start.at ? start.position : await positionAt(log, document, at)
    const position = await log.forget(document, until)
    if (position > start.position) logger.info({ document, position }, 'old history was forgotten')
  }

  return new Chore({
    name: 'coweave.history-retention',
    events: log.events,
    intervalMs: keptDays === 0 ? INTERVAL_MS.most : intervalOf(keptMs),
    onProblem: (error) => logger.warn({ error }, 'old history could not be looked for; it is tried again'),
    async work(stopping) {
      const at = keptDays === 0 ? 0 : Math.floor(Date.now() - keptMs)
      const before = Math.max(0, at - Math.min(DAY_MS, Math.floor(keptMs / 10)))
      for (let after: string | undefined = ''; after !== undefined && !stopping.aborted; ) {
        const page = await log.forgettable({ before, after, limit: PAGE })
        for (const document of page.documents) {
          if (stopping.aborted) return
          try {
            await forget(document, at)
          } catch (error) {
            if (!stopping.aborted) logger.error({ document, error }, 'old history could not be forgotten')
          }
        }
        after = page.next
      }
    },
  })
}

function intervalOf(keptMs: number): number {
  return Math.min(INTERVAL_MS.most, Math.max(INTERVAL_MS.least, keptMs / 10))
}
