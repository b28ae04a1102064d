import * as Y from 'yjs'
import type { Refusal } from '../documents/guard.ts'
import { deletedStructs, newStructs } from '../documents/transaction-structs.ts'

/** A message as plain values; nobody has checked them. */
export type PlainMessage = Readonly<Record<string, unknown>>

/** What a transaction did to a chat segment. */
export interface SegmentChange {
  readonly inserted: readonly PlainMessage[]
  readonly edited: readonly MessageEdit[]
}

export interface MessageEdit {
  readonly before: PlainMessage
  readonly after: PlainMessage
}

const MAX_DEPTH = 8

type MessageMap = Y.Map<unknown>

/**
 * Describes a transaction on a segment's trial copy, or says what of it could not come from a chat: this looks at
 * each new and each deleted struct, so that nothing is hidden in a place where no event tells of it.
 */
export function describeSegmentChange(transaction: Y.Transaction, before: Y.Doc): SegmentChange | Refusal {
  const messages = transaction.doc.getArray<MessageMap>('messages')
  const inserted = new Set<Y.Item>()
  const touched = new Set<Y.Item>()

  for (const struct of newStructs(transaction)) {
    if (!(struct instanceof Y.Item)) return fault('a part of the update is hidden')
    const place = placeOf(struct.parent, messages)
    if (place === undefined) return fault('the change is outside of the messages')
    if (place === 'messages') {
      if (struct.parentSub !== null || struct.rightOrigin !== null) return fault('messages are appended only')
      if (struct.deleted || !(contentTypeOf(struct) instanceof Y.Map)) return fault('only whole messages are inserted')
      inserted.add(struct)
    } else {
      const problem = entryProblem(struct, place)
      if (problem !== undefined) return fault(problem)
      touched.add(place.message)
    }
  }

  const problem = deletionsProblem(transaction, messages, touched)
  if (problem !== undefined) return fault(problem)
  return {
    inserted: [...inserted].map(plainOf),
    edited: [...touched]
      .filter((item) => !inserted.has(item))
      .map((item) => ({ before: beforeOf(item, before), after: plainOf(item) })),
  }
}

interface EntryPlace {
  readonly message: Y.Item
  readonly inReactions: boolean
}

/** Where a type is: the list of messages, one message or its reactions. */
function placeOf(type: unknown, messages: Y.Array<MessageMap>): 'messages' | EntryPlace | undefined {
  if (type === messages) return 'messages'
  if (!(type instanceof Y.Map) || type._item === null) return undefined
  const place = placeOf(type._item.parent, messages)
  if (place === 'messages') return { message: type._item, inReactions: false }
  if (place === undefined || place.inReactions || type._item.parentSub !== 'reactions') return undefined
  return { message: place.message, inReactions: true }
}

function entryProblem(struct: Y.Item, { inReactions }: EntryPlace): string | undefined {
  // Where messages are turned into plain objects, this key would not show.
  if (struct.parentSub === null || struct.parentSub === '__proto__') return 'a message holds named values only'
  // Overwritten before it was sent.
  if (struct.deleted) return undefined
  if (struct.content instanceof Y.ContentAny) {
    return struct.content.arr.length === 1 && isPlain(struct.content.arr[0])
      ? undefined
      : 'a value that is not plain JSON'
  }
  const isReactions = !inReactions && struct.parentSub === 'reactions' && contentTypeOf(struct) instanceof Y.Map
  return isReactions ? undefined : 'a value of a kind that messages do not hold'
}

function deletionsProblem(
  transaction: Y.Transaction,
  messages: Y.Array<MessageMap>,
  touched: Set<Y.Item>,
): string | undefined {
  for (const struct of deletedStructs(transaction)) {
    if (!(struct instanceof Y.Item)) continue
    const place = placeOf(struct.parent, messages)
    if (place === undefined || place === 'messages') return 'messages are not removed'
    if (contentTypeOf(struct) !== undefined) return 'reactions are not replaced as a whole'
    touched.add(place.message)
  }
  return undefined
}

function contentTypeOf({ content }: Y.Item): unknown {
  return content instanceof Y.ContentType ? content.type : undefined
}

function plainOf(item: Y.Item): PlainMessage {
  const type = contentTypeOf(item)
  return type instanceof Y.Map ? type.toJSON() : {}
}

function beforeOf(item: Y.Item, document: Y.Doc): PlainMessage {
  const found = Y.getItem(document.store, item.id)
  return found instanceof Y.Item ? plainOf(found) : {}
}

/** Whether a value is what JSON.parse makes; Yjs also carries bytes, and objects with prototypes of the sender's. */
function isPlain(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return true
  if (typeof value !== 'object' || depth > MAX_DEPTH) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype) return false
  return Object.values(value).every((item) => isPlain(item, depth + 1))
}

function fault(reason: string): Refusal {
  return { rule: 'chat/shape', reason }
}
