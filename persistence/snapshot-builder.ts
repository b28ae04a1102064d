import * as Y from 'yjs'
import { StorageError } from './storage-error.ts'

/** The parts of a document, read out of the database so that its read transaction can end before Yjs begins. */
export interface SnapshotSource {
  readonly name: string
  readonly parts: readonly { readonly position: number; readonly data: Uint8Array }[]
}

/**
 * The document's state as one update. All parts go into one transaction, since Y.mergeUpdates grows faster than
 * linearly. Updates that wait for others are kept: Yjs encodes them as part of the state.
 */
export function buildSnapshot({ name, parts }: SnapshotSource): Uint8Array {
  const doc = new Y.Doc({ gc: true })
  try {
    doc.transact(() => {
      for (const { position, data } of parts) applyPart(doc, name, position, data)
    })
    return Y.encodeStateAsUpdate(doc)
  } finally {
    doc.destroy()
  }
}

function applyPart(doc: Y.Doc, name: string, position: number, data: Uint8Array): void {
  try {
    Y.applyUpdate(doc, data)
  } catch (cause) {
    throw new StorageError('storage/corrupt', `${name}: position ${position} is not a Yjs update`, { cause })
  }
}
