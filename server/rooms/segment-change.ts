import * as Y from 'yjs'
import { MESSAGES } from '../../model/chat.ts'
import type { Refusal } from '../documents/guard.ts'
import { deletedStructs, newStructs } from '../documents/transaction-structs.ts'

/** A message as plain values; nobody has checked them. */
export type PlainMessage = Readonly<Record<string, unknown>>

/** What a transaction did to a chat segment. */
export interface SegmentChange {
  readonly inserted: readonly PlainMessage[]
  readonly edited: readonly MessageEdit[]
}

/**
 * What was written in a message. An entry counts as written even when its value is the same as before: written anew
 * by somebody else, it could win over what the author writes at the same time.
 */
export interface MessageEdit {
  readonly before: PlainMessage
  readonly after: PlainMessage
  /** The keys of the message that were written or deleted. */
  readonly written: ReadonlySet<string>
  /** The keys of its reactions that were. */
  readonly reactions: ReadonlySet<string>
}

const MAX_DEPTH = 8

type MessageMap = Y.Map<unknown>

/**
 * Describes a transaction on a segment's trial copy, or says what of it could not come from a chat: this looks at
 * each new and each deleted struct, so that nothing is hidden in a place where no event tells of it.
 */
export function describeSegmentChange(transaction: Y.Transaction, before: Y.Doc): SegmentChange | Refusal {
  const messages = transaction.doc.getArray<MessageMap>(MESSAGES)
  const inserted = new Set<Y.Item>()
  const edits = new Edits()

  for (const struct of newStructs(transaction)) {
    if (!(struct instanceof Y.Item)) return fault('a part of the update is hidden')
    const place = placeOf(struct.parent, messages)
    if (place === undefined) return fault('the change is outside of the messages')
    if (place === 'messages') {
      if (struct.parentSub !== null || struct.rightOrigin !== null) return fault('messages are appended only')
      if (struct.deleted || !isMap(struct)) return fault('only whole messages are inserted')
      inserted.add(struct)
    } else {
      const problem = entryProblem(struct, place)
      if (problem !== undefined) return fault(problem)
      edits.add(place, struct)
    }
  }

  const problem = deletionsProblem(transaction, messages, edits)
  if (problem !== undefined) return fault(problem)
  return {
    inserted: [...inserted].map(plainOf),
    edited: edits
      .all()
      .filter(([item]) => !inserted.has(item))
      .map(([item, keys]) => ({ before: beforeOf(item, before), after: plainOf(item), ...keys })),
  }
}

interface WrittenKeys {
  readonly written: Set<string>
  readonly reactions: Set<string>
}

/** Which keys of which messages were written. */
class Edits {
  readonly #keys = new Map<Y.Item, WrittenKeys>()

  add({ message, inReactions }: EntryPlace, { parentSub }: Y.Item): void {
    let keys = this.#keys.get(message)
    if (keys === undefined) {
      keys = { written: new Set(), reactions: new Set() }
      this.#keys.set(message, keys)
    }
    if (parentSub !== null) keys[inReactions ? 'reactions' : 'written'].add(parentSub)
  }

  all(): [Y.Item, WrittenKeys][] {
    return [...this.#keys]
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
  // Deleted or overwritten before it was sent.
  if (struct.content instanceof Y.ContentDeleted) return undefined
  if (!inReactions && struct.parentSub === 'reactions') return isMap(struct) ? undefined : 'reactions are a map'
  // What lost against a newer value is looked at as well: it is in the update that others get.
  return struct.content instanceof Y.ContentAny && struct.content.arr.length === 1 && isPlain(struct.content.arr[0])
    ? undefined
    : 'a value of a kind that messages do not hold'
}

function deletionsProblem(transaction: Y.Transaction, messages: Y.Array<MessageMap>, edits: Edits): string | undefined {
  for (const struct of deletedStructs(transaction)) {
    if (!(struct instanceof Y.Item)) continue
    const place = placeOf(struct.parent, messages)
    if (place === undefined || place === 'messages') return 'messages are not removed'
    if (contentTypeOf(struct) !== undefined) return 'reactions are not replaced as a whole'
    edits.add(place, struct)
  }
  return undefined
}

/** Y.XmlHook is a Y.Map by its class, too. */
function isMap(item: Y.Item): boolean {
  const type = contentTypeOf(item)
  return type instanceof Y.Map && type.constructor === Y.Map
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
export function isPlain(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return true
  if (typeof value !== 'object' || depth > MAX_DEPTH) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype) return false
  return Object.values(value).every((item) => isPlain(item, depth + 1))
}

function fault(reason: string): Refusal {
  return { rule: 'chat/shape', reason }
}
