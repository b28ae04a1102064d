import type { Restorer } from './restorer.ts'
import type { UpdateLog } from './update-log.ts'

/** A log that can be copied whole into another one, whatever that stands in; see migrate.ts. */
export interface PortableLog extends UpdateLog {
  /** Stores what comes from another log. */
  readonly restore: Restorer
}
