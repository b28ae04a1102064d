import * as Y from 'yjs'
import { applyParts, type Part } from './apply-parts.ts'
import { forgetKeys } from './map-keys.ts'

/** The parts of a document, read out of the database so that its read transaction can end before Yjs begins. */
export interface SnapshotSource {
  readonly name: string
  readonly parts: readonly Part[]
}

/**
 * The document's state as one update. Updates that wait for others are kept: Yjs encodes them as part of the state. Removed
 * keys of the user `scrubbed` are forgotten; see forgetKeys().
 */
export function buildSnapshot({ name, parts }: SnapshotSource, scrubbed?: string): Uint8Array {
  const doc = new Y.Doc({ gc: true })
  try {
    applyParts(doc, name, parts)
    if (scrubbed !== undefined) forgetKeys(doc, scrubbed)
    return Y.encodeStateAsUpdate(doc)
  } finally {
    doc.destroy()
  }
}
