import * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import { historyForgotten } from '../../persistence/retention.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'

/** A document as it was at a position of its log. */
export interface Revision {
  /** 0 for a document that was never written. */
  readonly position: number
  /** A copy of its own, nobody else's. */
  readonly ydoc: Y.Doc
  /** What it was loaded from. */
  readonly bytes: number
}

/**
 * A document as committed now, or at an earlier position, which costs the rows up to there where a snapshot was written
 * since.
 * @throws {CoweaveError} `document/no-such-position`, `history/forgotten`  @throws {StorageError}
 */
export async function loadAt(log: UpdateLog, document: string, position?: number): Promise<Revision> {
  const stored = await log.load(document)
  if (position === undefined || position === stored.position) return revision(stored.position, stored.parts)
  if (position > stored.position) {
    const problem = `${document} has no position ${position}: its last one is ${stored.position}`
    throw new CoweaveError('document/no-such-position', problem)
  }
  // The snapshot, if there is one, then a part for each row behind it.
  const first = stored.snapshot === 0 ? 0 : 1
  if (position >= stored.snapshot) return revision(position, stored.parts.slice(0, first + position - stored.snapshot))
  const base = await log.historyBase(document)
  if (base !== undefined && position < base.position) throw historyForgotten(document, base)
  const rows = await Array.fromAsync(log.read(document, base?.position ?? 0, position), ({ data }) => data)
  return revision(position, base === undefined ? rows : [base.state, ...rows])
}

function revision(position: number, parts: readonly Uint8Array[]): Revision {
  const ydoc = new Y.Doc()
  ydoc.transact(() => {
    for (const part of parts) Y.applyUpdate(ydoc, part)
  })
  return { position, ydoc, bytes: parts.reduce((sum, { length }) => sum + length, 0) }
}
