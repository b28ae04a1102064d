import { equalityDeep } from 'lib0/function'
import * as Y from 'yjs'

/** A Yjs update without structs and deletions. */
export const NO_CHANGE = Uint8Array.of(0, 0)

/** What an update brought to a document. */
export interface Applied {
  /** What the log needs: with structs that wait for others, since whoever sent them was told that they are kept. */
  readonly stored: Uint8Array
  /** What others are told: what the document shows now; undefined when all of it waits. */
  readonly shown: Uint8Array | undefined
}

/** An update that Yjs can't apply. `applied` is what got in before it failed, if anything did. */
export class InvalidUpdateError extends Error {
  override readonly name = 'InvalidUpdateError'
  readonly applied: Applied | undefined

  constructor(applied: Applied | undefined, options: ErrorOptions) {
    super('the update can not be applied', options)
    this.applied = applied
  }
}

/**
 * Applies `update` to `document` and tells what it brought, or undefined when that was nothing. It is the update as
 * it came, since encoding a change anew costs more than making it; but of an answer to a sync step, which repeats
 * every deletion there ever was, just what was new.
 *
 * Structs that must wait for others are stored and not shown: a client that was given them would send them back with
 * its next sync step, in its own name.
 * @throws {InvalidUpdateError}
 */
export function applyUpdate(
  document: Y.Doc,
  update: Uint8Array,
  origin: unknown,
  isAnswer: boolean,
): Applied | undefined {
  const before = waitingIn(document)
  const hadWaiting = before.structs !== undefined || before.deletions !== null
  const encodes = isAnswer || hadWaiting
  const transactions: Y.Transaction[] = []
  const news: Uint8Array[] = []
  const onTransaction = (transaction: Y.Transaction) => {
    if (!isEmpty(transaction)) transactions.push(transaction)
  }
  const onUpdate = (bytes: Uint8Array) => news.push(bytes)
  document.on('afterTransactionCleanup', onTransaction)
  if (encodes) document.on('update', onUpdate)
  try {
    Y.applyUpdate(document, update, origin)
  } catch (cause) {
    const gotIn = transactions.length > 0 || differ(waitingIn(document), before)
    throw new InvalidUpdateError(gotIn ? sinceFirst(document, transactions) : undefined, { cause })
  } finally {
    document.off('afterTransactionCleanup', onTransaction)
    if (encodes) document.off('update', onUpdate)
  }

  // Yjs changes what waits in place.
  const waits = differ(waitingIn(document), before)
  if (!waits && transactions.length === 0) return undefined
  if (isAnswer && !waits) return both(Y.mergeUpdates(news))
  // Yjs tidies formatting in a transaction of its own, which only deletes.
  const tidied = transactions.length > 1
  const stored = tidied ? Y.mergeUpdates([update, encodeShown(document, Y.encodeStateVector(document))]) : update
  if (!waits && !hadWaiting) return both(stored)
  if (!encodes) return { stored, shown: sinceFirst(document, transactions).shown }
  return { stored, shown: news.length === 0 ? undefined : Y.mergeUpdates(news) }
}

/** What a replica at `stateVector` lacks of what `document` shows: without the structs that wait for others. */
export function encodeShown(document: Y.Doc, stateVector: Uint8Array): Uint8Array {
  const { store } = document
  const { pendingStructs, pendingDs } = store
  store.pendingStructs = null
  store.pendingDs = null
  try {
    return Y.encodeStateAsUpdate(document, stateVector)
  } finally {
    store.pendingStructs = pendingStructs
    store.pendingDs = pendingDs
  }
}

/** All that came since the first of `transactions`. All deletions go along: which are new can't be told any more. */
function sinceFirst(document: Y.Doc, [first]: readonly Y.Transaction[]): Applied {
  const stateVector = first === undefined ? Y.encodeStateVector(document) : Y.encodeStateVector(first.beforeState)
  return {
    stored: Y.encodeStateAsUpdate(document, stateVector),
    shown: first === undefined ? undefined : encodeShown(document, stateVector),
  }
}

function both(update: Uint8Array): Applied {
  return { stored: update, shown: update }
}

/** What waits in a document for structs that have not come. */
interface Waiting {
  readonly structs: Uint8Array | undefined
  readonly deletions: Uint8Array | null
}

function waitingIn({ store }: Y.Doc): Waiting {
  return { structs: store.pendingStructs?.update, deletions: store.pendingDs }
}

function differ(one: Waiting, other: Waiting): boolean {
  return !equalityDeep(one.structs, other.structs) || !equalityDeep(one.deletions, other.deletions)
}

function isEmpty(transaction: Y.Transaction): boolean {
  if (transaction.deleteSet.clients.size > 0) return false
  for (const [client, clock] of transaction.afterState) {
    if (transaction.beforeState.get(client) !== clock) return false
  }
  return true
}
