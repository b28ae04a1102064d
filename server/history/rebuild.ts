import * as Y from 'yjs'
import { StorageError } from '../../persistence/storage-error.ts'
import type { LogRow } from '../../persistence/update-log.ts'

/** What a document is rebuilt from: a snapshot, if there is one, and each row behind it. */
export interface Source {
  readonly document: string
  readonly snapshot: { readonly position: number; readonly data: Uint8Array } | undefined
  readonly rows: readonly LogRow[]
}

/**
 * A document that keeps what was deleted since its snapshot, as far as rows have it; `rows` are applied later.
 * @throws {StorageError} `storage/corrupt`
 */
export function openSource({ document, snapshot }: Source): Y.Doc {
  const doc = new Y.Doc({ gc: false })
  if (snapshot !== undefined) applyRow(doc, document, snapshot)
  return doc
}

/** Applies rows in one transaction. @throws {StorageError} `storage/corrupt`, naming document and position */
export function applyRows(doc: Y.Doc, document: string, rows: readonly LogRow[], origin?: unknown): void {
  doc.transact(() => {
    for (const row of rows) applyRow(doc, document, row)
  }, origin)
}

/** @throws {StorageError} `storage/corrupt`, naming document and position */
export function decodeRow(document: string, { position, data }: LogRow): ReturnType<typeof Y.decodeUpdate> {
  try {
    return Y.decodeUpdate(data)
  } catch (cause) {
    throw noUpdate(document, position, cause)
  }
}

function applyRow(doc: Y.Doc, document: string, { position, data }: Pick<LogRow, 'position' | 'data'>): void {
  try {
    Y.applyUpdate(doc, data)
  } catch (cause) {
    throw noUpdate(document, position, cause)
  }
}

function noUpdate(document: string, position: number, cause: unknown): StorageError {
  return new StorageError('storage/corrupt', `${document}: position ${position} is not a Yjs update`, { cause })
}
