import type { Logger } from 'pino'
import type { RetentionPage } from '../../persistence/retention.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { Chore, unlessStopped } from '../events/chore.ts'
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
  return new Chore({
    name: 'coweave.history-retention',
    events: log.events,
    intervalMs: keptDays === 0 ? INTERVAL_MS.most : intervalOf(keptMs),
    onProblem: (error) => logger.warn({ error }, 'old history could not be looked for; it is tried again'),
    async work(stopping) {
      const at = keptDays === 0 ? 0 : Math.floor(Date.now() - keptMs)
      const before = Math.max(0, at - Math.min(DAY_MS, Math.floor(keptMs / 10)))
      const find = (after: string) => log.retention.forgettable({ before, after, limit: PAGE })
      for await (const document of documentsIn(find, stopping)) {
        try {
          const start = await log.retention.historyStart(document)
          const until = await oldPosition(log, document, at)
          const position = await unlessStopped(log.retention.forget(document, until), stopping)
          if (position !== undefined && position > start.position)
            logger.info({ document, position }, 'old history was forgotten')
        } catch (error) {
          if (!stopping.aborted) logger.error({ document, error }, 'old history could not be forgotten')
        }
      }
    },
  })
}

export interface HistoryPackingOptions {
  readonly log: UpdateLog
  readonly logger: Logger
  /** How old rows are when they are packed. */
  readonly afterDays: number
}

/** Packs the rows of all documents that are older than so many days, on one of the instances, a document at a time. */
export function historyPacking({ log, logger, afterDays }: HistoryPackingOptions): Chore {
  const afterMs = afterDays * DAY_MS
  return new Chore({
    name: 'coweave.history-packing',
    events: log.events,
    intervalMs: intervalOf(afterMs),
    onProblem: (error) => logger.warn({ error }, 'old updates could not be looked for; it is tried again'),
    async work(stopping) {
      const at = Math.floor(Date.now() - afterMs)
      const find = (after: string) => log.retention.unpacked({ before: at, after, limit: PAGE })
      for await (const document of documentsIn(find, stopping)) {
        try {
          const until = await oldPosition(log, document, at)
          const packed = await unlessStopped(log.retention.pack(document, until), stopping)
          if (packed !== undefined && packed > 0) logger.info({ document, updates: packed }, 'old updates were packed')
        } catch (error) {
          if (!stopping.aborted) logger.error({ document, error }, 'old updates could not be packed')
        }
      }
    },
  })
}

/** The last position of a document at a time, or where its history begins if that is later. */
async function oldPosition(log: UpdateLog, document: string, at: number): Promise<number> {
  const start = await log.retention.historyStart(document)
  return at < start.at ? start.position : await positionAt(log, document, at)
}

/** Those that `find` finds, page by page, until it is stopped. */
async function* documentsIn(
  find: (after: string) => Promise<RetentionPage>,
  stopping: AbortSignal,
): AsyncGenerator<string> {
  for (let after: string | undefined = ''; after !== undefined && !stopping.aborted; ) {
    const page = await find(after)
    for (const document of page.documents) {
      if (stopping.aborted) return
      yield document
    }
    after = page.next
  }
}

function intervalOf(ageMs: number): number {
  return Math.min(INTERVAL_MS.most, Math.max(INTERVAL_MS.least, ageMs / 10))
}
