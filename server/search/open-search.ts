import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { Config } from '../config.ts'
import { DocumentSearch } from './document-search.ts'
import type { SearchThreads } from './search-threads.ts'
import { TextIndexer } from './text-indexer.ts'

export interface SearchParts {
  readonly config: Pick<Config, 'DOCUMENT_SEARCH' | 'ENCRYPTION_KEY'>
  readonly log: UpdateLog
  readonly logger: Logger
  readonly threads: SearchThreads
  readonly access: Access
}

/** What finds documents, and what keeps the index for it, if the settings allow one. */
export function openSearch({ config, log, logger, threads, access }: SearchParts) {
  const isOn = config.DOCUMENT_SEARCH === 'on'
  const onProblem = (error: unknown, document: string | undefined) =>
    logger.warn({ error, document }, 'what documents say can not be indexed now')
  const isIndexed = isOn && config.ENCRYPTION_KEY === undefined
  return {
    search: new DocumentSearch({ texts: log.texts, threads, access, isOn }),
    indexer: isIndexed ? new TextIndexer({ log, threads, busyShare: busyShareMeter(), onProblem }) : undefined,
  }
}

/** Tells for how much of the time since it was last asked the event loop was busy, 0 to 1. */
function busyShareMeter(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const before = last
    last = performance.eventLoopUtilization()
    return performance.eventLoopUtilization(last, before).utilization
  }
}
