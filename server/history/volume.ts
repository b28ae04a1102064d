import * as Y from 'yjs'
import type { LogRow } from '../../persistence/update-log.ts'
import { decodeRow } from './decode-row.ts'

/** How much a row brought and deleted, in characters and other items. */
export interface Volume {
  readonly inserted: number
  readonly deleted: number
}

/** Looks at the row alone: what it repeats of earlier ones is counted again. @throws {StorageError} `storage/corrupt` */
export function volumeOf(document: string, row: LogRow): Volume {
  const { structs, ds } = decodeRow(document, row)
  let inserted = 0
  for (const struct of structs) if (struct instanceof Y.Item && struct.content.isCountable()) inserted += struct.length
  let deleted = 0
  for (const deletions of ds.clients.values()) for (const { len } of deletions) deleted += len
  return { inserted, deleted }
}
