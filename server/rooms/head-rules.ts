import * as Y from 'yjs'
import { openSegmentOf, readsOf } from '../../model/chat.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { deletedStructs, newStructs } from '../documents/transaction-structs.ts'

/**
 * The rules of a room's head: everybody moves their own read mark forwards; which segment is open is the server's.
 */
export class HeadRules implements DocumentRules {
  /** Marks that were moved back by somebody who did not know of them: another tab or device of the same user. */
  readonly #overwritten = new Map<string, number>()
  /** The last segment that was seen to be open. */
  #openSegment = 0

  define(document: Y.Doc): void {
    document.getMap('room')
    readsOf(document)
  }

  /** Notes what moves marks, or the open segment, back in the room's head: of two written at once, either wins. */
  watch(head: Y.Doc): void {
    readsOf(head).observe(({ changes, target }) => {
      for (const [user, { oldValue }] of changes.keys) {
        const mark = Math.max(Number(oldValue ?? 0), this.#overwritten.get(user) ?? 0)
        if (Number(target.get(user) ?? 0) < mark) this.#overwritten.set(user, mark)
      }
    })
    head.getMap('room').observe(() => {
      this.#openSegment = Math.max(this.#openSegment, openSegmentOf(head) ?? 0)
    })
    this.#openSegment = openSegmentOf(head) ?? 0
  }

  check(transaction: Y.Transaction, before: Y.Doc, author: Author): Refusal | undefined {
    const reads = readsOf(transaction.doc)
    const touched = new Set<string>()
    const created = newStructs(transaction)
    for (const struct of [...created, ...deletedStructs(transaction)]) {
      if (!(struct instanceof Y.Item) || struct.parent !== reads || struct.parentSub === null) {
        return refuse('server-field', 'of a room’s head only the read marks are written by clients')
      }
      touched.add(struct.parentSub)
    }
    const values = created.filter(isValue)
    if (values.length < created.length) return refuse('read-mark-shape', 'a read mark is the seq of a message')
    for (const user of touched) {
      const refusal = this.#markRefusal(user, values, readsOf(before), reads.get(user), author)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  /** Takes back what moved back. */
  restore(head: Y.Doc): void {
    if (this.#openSegment > (openSegmentOf(head) ?? 0)) head.getMap('room').set('segment', this.#openSegment)
    if (this.#overwritten.size > 0) this.#restoreMarks(head)
  }

  #restoreMarks(head: Y.Doc): void {
    const marks = [...this.#overwritten]
    this.#overwritten.clear()
    const reads = readsOf(head)
    head.transact(() => {
      for (const [user, mark] of marks) if ((reads.get(user) ?? 0) < mark) reads.set(user, mark)
    })
  }

  #markRefusal(
    user: string,
    values: readonly Y.Item[],
    before: Y.Map<number>,
    after: unknown,
    { principal }: Author,
  ): Refusal | undefined {
    if (user !== principal.user) return refuse('foreign-read-mark', 'everybody marks as read for themselves only')
    if (!Number.isSafeInteger(after) || Number(after) < 0)
      return refuse('read-mark-shape', 'a read mark is the seq of a message')
    const mark = before.get(user) ?? 0
    if (Number(after) >= mark) return undefined
    const known = before._map.get(user)?.lastId ?? null
    if (values.some(({ origin }) => Y.compareIDs(origin, known)))
      return refuse('read-mark-backwards', 'a read mark moves forwards only')
    return undefined
  }
}

/** Or what is left of one that was overwritten before it was sent. */
function isValue(struct: Y.AbstractStruct): struct is Y.Item {
  if (!(struct instanceof Y.Item)) return false
  const { content } = struct
  return content instanceof Y.ContentDeleted || (content instanceof Y.ContentAny && content.arr.length === 1)
}

function refuse(rule: string, reason: string): Refusal {
  return { rule: `chat/${rule}`, reason }
}
