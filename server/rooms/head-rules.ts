import * as Y from 'yjs'
import { callsOf } from '../../model/calls.ts'
import { openSegmentOf, readsOf } from '../../model/chat.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { openCallsOf } from './call-log.ts'
import { callsRefusal } from './call-rules.ts'
import { describeListChange, type ListStructs, structsOf } from './list-change.ts'

/**
 * The rules of a room's head: everybody moves their own read mark forwards, and calls and acts in calls in their own
 * name; which segment is open is the server's.
 */
export class HeadRules implements DocumentRules {
  /** Marks that were moved back by somebody who did not know of them: another tab or device of the same user. */
  readonly #overwritten = new Map<string, number>()
  /** The last segment that was seen to be open. */
  #openSegment = 0
  readonly #members: readonly string[] | undefined

  /** `members` are the only ones who can be called, of a room that has such. */
  constructor(members?: readonly string[]) {
    this.#members = members
  }

  define(document: Y.Doc): void {
    document.getMap('room')
    readsOf(document)
    callsOf(document)
  }

  /** Notes what moves marks, or the open segment, back in the room's head: of two written at once, either wins. */
  watch(head: Y.Doc): void {
    readsOf(head).observe(({ changes, target }) => {
      for (const [user, { action, oldValue }] of changes.keys) {
        // Only the server removes marks, when it erases people.
        if (action === 'delete') {
          this.#overwritten.delete(user)
          continue
        }
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
    const { doc } = transaction
    const { created, deleted } = structsOf(transaction)
    const [reads, calls] = [readsOf(doc), callsOf(doc)]
    for (const struct of [...created, ...deleted]) {
      const root = rootOf(struct)
      if (root !== calls && (root !== reads || !isEntryOf(struct, reads)))
        return refuse('server-field', 'of a room’s head clients write only the read marks and the calls')
    }
    const only = (root: unknown): ListStructs => {
      const isThere = (struct: Y.AbstractStruct) => rootOf(struct) === root
      return { created: created.filter(isThere), deleted: deleted.filter(isThere) }
    }
    return this.#marksRefusal(only(reads), doc, before, author) ?? this.#callsRefusal(only(calls), doc, before, author)
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

  #marksRefusal({ created, deleted }: ListStructs, after: Y.Doc, before: Y.Doc, author: Author): Refusal | undefined {
    const values = created.filter(isValue)
    if (values.length < created.length) return refuse('read-mark-shape', 'a read mark is the seq of a message')
    const touched = new Set(
      [...created, ...deleted].flatMap((struct) => (struct instanceof Y.Item ? struct.parentSub : [])),
    )
    for (const user of touched) {
      if (user === null) continue
      const refusal = this.#markRefusal(user, values, readsOf(before), readsOf(after).get(user), author)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  #callsRefusal(structs: ListStructs, after: Y.Doc, before: Y.Doc, { principal }: Author): Refusal | undefined {
    if (structs.created.length === 0 && structs.deleted.length === 0) return undefined
    const change = describeListChange(structs, callsOf(after), before, { nested: 'acts' })
    if ('problem' in change) return { rule: 'call/shape', reason: change.problem }
    return callsRefusal(change, {
      user: principal.user,
      now: Date.now(),
      members: this.#members,
      openCalls: openCallsOf(before).filter((call) => call.get('from') === principal.user).length,
      has: (id) =>
        callsOf(before)
          .toArray()
          .some((call) => call.get('id') === id),
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

/** The root type that a struct is in, at any depth. */
function rootOf(struct: Y.AbstractStruct): unknown {
  let parent = struct instanceof Y.Item ? struct.parent : null
  while (parent instanceof Y.AbstractType && parent._item !== null) parent = parent._item.parent
  return parent
}

function isEntryOf(struct: Y.AbstractStruct, map: Y.Map<number>): boolean {
  return struct instanceof Y.Item && struct.parent === map && struct.parentSub !== null
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
