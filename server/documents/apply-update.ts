import { equalityDeep } from 'lib0/function'
import * as Y from 'yjs'

/** An update that Yjs can't apply. `applied` is what got in before it failed, if anything did. */
export class InvalidUpdateError extends Error {
  override readonly name = 'InvalidUpdateError'
  readonly applied: Uint8Array | undefined

  constructor(applied: Uint8Array | undefined, options: ErrorOptions) {
    super('the update can not be applied', options)
    this.applied = applied
  }
}

/**
 * Applies `update` to `document` and returns the bytes that tell others of it, or undefined when it brought
 * nothing. Those are the update as it came, since encoding a change anew costs more than making it; but from an
 * answer to a sync step, which repeats every deletion there ever was, just what was new. Structs that must wait
 * for others count: whoever has these bytes keeps them too.
 * @throws {InvalidUpdateError}
 */
export function applyUpdate(
  document: Y.Doc,
  update: Uint8Array,
  origin: unknown,
  isAnswer: boolean,
): Uint8Array | undefined {
  const { pendingStructs, pendingDs } = document.store
  const transactions: Y.Transaction[] = []
  const news: Uint8Array[] = []
  const onTransaction = (transaction: Y.Transaction) => {
    if (!isEmpty(transaction)) transactions.push(transaction)
  }
  const onUpdate = (bytes: Uint8Array) => news.push(bytes)
  document.on('afterTransactionCleanup', onTransaction)
  if (isAnswer) document.on('update', onUpdate)
  try {
    Y.applyUpdate(document, update, origin)
  } catch (cause) {
    const [first] = transactions
    // All deletions go along: which of them are new can't be told any more.
    throw new InvalidUpdateError(first && Y.encodeStateAsUpdate(document, Y.encodeStateVector(first.beforeState)), {
      cause,
    })
  } finally {
    document.off('afterTransactionCleanup', onTransaction)
    if (isAnswer) document.off('update', onUpdate)
  }

  const waits = document.store.pendingStructs !== pendingStructs || !equalityDeep(document.store.pendingDs, pendingDs)
  if (isAnswer && !waits) return news.length === 0 ? undefined : Y.mergeUpdates(news)
  if (!waits && transactions.length === 0) return undefined
  // Yjs tidies formatting in a transaction of its own, which only deletes.
  const tidied = transactions.length > 1
  return tidied ? Y.mergeUpdates([update, Y.encodeStateAsUpdate(document, Y.encodeStateVector(document))]) : update
}

function isEmpty(transaction: Y.Transaction): boolean {
  if (transaction.deleteSet.clients.size > 0) return false
  for (const [client, clock] of transaction.afterState) {
    if (transaction.beforeState.get(client) !== clock) return false
  }
  return true
}
