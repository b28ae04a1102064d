import type * as Y from 'yjs'

const MAX_OBSERVED_DEPTH = 256

/**
 * Yjs tells a change to every type above the changed one, so that a change of n types inside each other costs n²: with
 * 8,000 of them an update of 100 KB took 7 s and 400 MB. Nothing in the server observes types that deep, so that they
 * are left out.
 */
export function boundObservedDepth(ydoc: Y.Doc): void {
  ydoc.on('beforeObserverCalls', ({ changed }: Y.Transaction) => {
    for (const type of changed.keys()) {
      if (isDeeper(type, MAX_OBSERVED_DEPTH)) changed.delete(type)
    }
  })
}

function isDeeper(type: ChangedType, depth: number): boolean {
  let parent: unknown = type
  for (let level = 0; level <= depth; level += 1) {
    const item = (parent as ChangedType)._item
    if (item === null) return false
    parent = item.parent
  }
  return true
}

type ChangedType = Y.Transaction['changed'] extends Map<infer Type, unknown> ? Type : never
