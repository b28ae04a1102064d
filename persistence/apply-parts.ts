import * as Y from 'yjs'
import { StorageError } from './storage-error.ts'
import type { LogRow } from './update-log.ts'

/** An update that a document is made of: a row of its log, or a snapshot of those up to there. */
export type Part = Pick<LogRow, 'position' | 'data'>

/**
 * Applies parts in one transaction, since Y.mergeUpdates grows faster than linearly.
 * @throws {StorageError} `storage/corrupt`, naming document and position
 */
export function applyParts(doc: Y.Doc, name: string, parts: readonly Part[], origin?: unknown): void {
  doc.transact(() => {
    for (const { position, data } of parts) {
      try {
        Y.applyUpdate(doc, data)
      } catch (cause) {
        throw notAnUpdate(name, position, cause)
      }
    }
  }, origin)
}

export function notAnUpdate(name: string, position: number, cause: unknown): StorageError {
  return new StorageError('storage/corrupt', `${name}: position ${position} is not a Yjs update`, { cause })
}
