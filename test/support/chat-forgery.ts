import * as Y from 'yjs'

/** What `edit` changes in a copy of `base` whose Yjs client id is `client`. */
export function forge(base: Y.Doc, client: number, edit: (ydoc: Y.Doc) => void): Uint8Array {
  const copy = copyOf(base)
  const updates: Uint8Array[] = []
  copy.on('update', (update: Uint8Array) => updates.push(update))
  copy.clientID = client
  edit(copy)
  return Y.mergeUpdates(updates)
}

export function copyOf(base: Y.Doc): Y.Doc {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(base))
  return copy
}

/** Puts an item where Yjs' own types would not. */
export function insertItem(
  ydoc: Y.Doc,
  parent: unknown,
  { key = null, left = null, right = null }: { key?: string | null; left?: Y.Item | null; right?: Y.Item | null },
  content: Y.Item['content'],
): void {
  ydoc.transact((transaction) => {
    const id = Y.createID(ydoc.clientID, Y.getState(ydoc.store, ydoc.clientID))
    const item = new Y.Item(
      id,
      left,
      left?.lastId ?? null,
      right,
      right?.id ?? null,
      parent as ConstructorParameters<typeof Y.Item>[5],
      key,
      content,
    )
    item.integrate(transaction, 0)
  })
}
