import * as Y from 'yjs'
import { applyParts, type Part } from './apply-parts.ts'
import { forgetKeys } from './map-keys.ts'

/** The parts of a document, read out of the database so that its read transaction can end before Yjs begins. */
export interface SnapshotSource {
  readonly name: string
  readonly parts: readonly Part[]
}

/** A document's state as one update. */
export interface Snapshot {
  readonly state: Uint8Array
  /** Its state vector, if nothing in `state` waits for updates that have not come: then it can be shown as it is. */
  readonly vector: Uint8Array | undefined
}

/**
 * The document's state as one update. Updates that wait for others are kept: Yjs encodes them as part of the state. Removed
 * keys of the user `scrubbed` are forgotten; see forgetKeys().
 */
export function buildSnapshot({ name, parts }: SnapshotSource, scrubbed?: string): Snapshot {
  const doc = new Y.Doc({ gc: true })
  try {
    applyParts(doc, name, parts)
    if (scrubbed !== undefined) forgetKeys(doc, scrubbed)
    const { pendingStructs, pendingDs } = doc.store
    const isWhole = pendingStructs === null && pendingDs === null
    return { state: Y.encodeStateAsUpdate(doc), vector: isWhole ? Y.encodeStateVector(doc) : undefined }
  } finally {
    doc.destroy()
  }
}
