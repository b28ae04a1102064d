import * as Y from 'yjs'
import { applyParts } from '../../persistence/apply-parts.ts'
import type { LogRow } from '../../persistence/update-log.ts'
import { openSource, type Source } from '../documents/source.ts'
import { newRevivingClient, withoutRevived } from './revived.ts'

const TRACKED = Symbol('tracked')

/**
 * The update that takes back what the rows above `after` did that `isTracked` names, as one edit of a Yjs client of its
 * own; undefined when there is nothing to take back. What other rows did stays, and what they have brought back already
 * doesn't come twice.
 *
 * The undo manager's scope is the document, so that it doesn't matter what kinds of types the roots are.
 * @throws {StorageError} `storage/corrupt`
 */
export function revertingUpdate(
  source: Source,
  after: number,
  isTracked: (row: LogRow) => boolean,
): Uint8Array | undefined {
  const { document, rows } = source
  const doc = openSource(source)
  try {
    const index = rows.findIndex(({ position }) => position > after)
    const split = index === -1 ? rows.length : index
    applyParts(doc, document, rows.slice(0, split))
    const undo = new Y.UndoManager(doc, { captureTimeout: 0, trackedOrigins: new Set([TRACKED]) })
    for (const { tracked, group } of grouped(rows.slice(split), isTracked)) {
      applyParts(doc, document, group, tracked ? TRACKED : undefined)
    }
    // One step of all, merged once: the undo manager would merge anew with each.
    const [step] = undo.undoStack
    if (step === undefined) return undefined
    step.insertions = Y.mergeDeleteSets(undo.undoStack.map(({ insertions }) => insertions))
    const deletions = Y.mergeDeleteSets(undo.undoStack.map(({ deletions }) => deletions))
    step.deletions = withoutRevived(doc, deletions, step.insertions)
    undo.undoStack = [step]
    doc.clientID = newRevivingClient(doc)
    const made: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => made.push(update))
    undo.undo()
    return made.length === 0 ? undefined : Y.mergeUpdates(made)
  } finally {
    doc.destroy()
  }
}

/** Rows that stand together and are all tracked, or all not. */
function grouped(rows: readonly LogRow[], isTracked: (row: LogRow) => boolean) {
  const groups: { tracked: boolean; group: LogRow[] }[] = []
  for (const row of rows) {
    const tracked = isTracked(row)
    const last = groups.at(-1)
    if (last?.tracked === tracked) last.group.push(row)
    else groups.push({ tracked, group: [row] })
  }
  return groups
}
