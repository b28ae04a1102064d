import * as Y from 'yjs'

/** The structs that a transaction brought. */
export function newStructs({ doc, beforeState, afterState }: Y.Transaction): Y.AbstractStruct[] {
  const found: Y.AbstractStruct[] = []
  for (const [client, end] of afterState) {
    const start = beforeState.get(client) ?? 0
    if (start === end) continue
    const structs = doc.store.clients.get(client) ?? []
    // One by one: there may be more than a call takes arguments.
    for (const struct of structs.slice(Y.findIndexSS(structs, start))) found.push(struct)
  }
  return found
}

/** The structs that a transaction deleted. */
export function deletedStructs(transaction: Y.Transaction): Y.AbstractStruct[] {
  const found: Y.AbstractStruct[] = []
  Y.iterateDeletedStructs(transaction, transaction.deleteSet, (struct) => found.push(struct))
  return found
}
