import * as Y from 'yjs'
import { notAnUpdate } from '../../persistence/apply-parts.ts'
import type { LogRow } from '../../persistence/update-log.ts'

/** @throws {StorageError} `storage/corrupt`, naming document and position */
export function decodeRow(document: string, { position, data }: LogRow): ReturnType<typeof Y.decodeUpdate> {
  try {
    return Y.decodeUpdate(data)
  } catch (cause) {
    throw notAnUpdate(document, position, cause)
  }
}
