import * as Y from 'yjs'

/** The structs that a transaction brought. */
export function newStructs({ doc, beforeState, afterState }: Y.Transaction): Y.AbstractStruct[] {
  const found: Y.AbstractStruct[] = []
  for (const [client, end] of afterState) {
    const start = beforeState.get(client) ?? 0
    if (start === end) continue
    const structs = doc.store.clients.get(client) ?? []
    found.push(...structs.slice(Y.findIndexSS(structs, start)))
  }
  return found
}

/** The structs that a transaction deleted. */
export function deletedStructs(transaction: Y.Transaction): Y.AbstractStruct[] {
  const found: Y.AbstractStruct[] = []
  Y.iterateDeletedStructs(transaction, transaction.deleteSet, (struct) => found.push(struct))
  return found
}
