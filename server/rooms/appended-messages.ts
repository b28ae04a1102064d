import * as Y from 'yjs'
import { MESSAGES } from '../../model/chat.ts'
import type { DecodedUpdate } from '../documents/check-update.ts'
import { isPlain } from '../documents/plain-value.ts'
import type { PlainMessage } from './segment-change.ts'

interface Entries {
  readonly values: Record<string, unknown>
  /** Whether these are the entries of a message, and not of its reactions. */
  readonly isMessage: boolean
}

/**
 * The messages that an update appends to a segment, read from its structs alone: nearly all that ever comes. Undefined
 * where that can't be told for sure, as for edits, reactions, and whatever a chat would not send: a trial copy tells.
 *
 * What is returned is what describeSegmentChange() would: each struct is new, whole, and in a place that nothing in
 * the document or in the update competes for.
 */
export function appendedMessages({ structs, ds, ranges }: DecodedUpdate, segment: Y.Doc): PlainMessage[] | undefined {
  if (ranges.size !== 1 || ds.clients.size > 0) return undefined
  const entries = new Map<number, Entries>()
  const messages: PlainMessage[] = []
  const isFirst = (struct: Y.AbstractStruct) => struct.id.clock === Y.getState(segment.store, struct.id.client)
  const [first] = structs
  if (first === undefined || !isFirst(first)) return undefined
  for (const struct of structs) {
    if (!(struct instanceof Y.Item) || struct.rightOrigin !== null) return undefined
    const { id, content, parentSub } = struct
    const isMap = content instanceof Y.ContentType && content.type.constructor === Y.Map
    if (parentSub === null) {
      if (!isMap || !isAfterMessage(struct, segment, entries)) return undefined
      const values = {}
      entries.set(id.clock, { values, isMessage: true })
      messages.push(values)
      continue
    }
    const parent: unknown = struct.parent
    if (!(parent instanceof Y.ID) || parent.client !== id.client || struct.origin !== null) return undefined
    const place = entries.get(parent.clock)
    if (place === undefined || parentSub === '__proto__' || Object.hasOwn(place.values, parentSub)) return undefined
    if (isMap && place.isMessage && parentSub === 'reactions') {
      const values = {}
      entries.set(id.clock, { values, isMessage: false })
      place.values[parentSub] = values
    } else {
      const isValue = content instanceof Y.ContentAny && content.arr.length === 1 && isPlain(content.arr[0])
      if (!isValue || (place.isMessage && parentSub === 'reactions')) return undefined
      place.values[parentSub] = content.arr[0]
    }
  }
  return messages
}

/** Whether a struct stands in the list of messages: as its first, or behind a message that is there or right before. */
function isAfterMessage(struct: Y.Item, segment: Y.Doc, entries: ReadonlyMap<number, Entries>): boolean {
  const { id, origin } = struct
  // Before it is in a document, this is the name of a root type.
  const parent: unknown = struct.parent
  if (origin === null) return parent === MESSAGES
  if (origin.client === id.client && entries.get(origin.clock)?.isMessage === true) return true
  if (origin.clock >= Y.getState(segment.store, origin.client)) return false
  const before = Y.getItem(segment.store, origin)
  return before instanceof Y.Item && before.parent === segment.getArray(MESSAGES) && before.parentSub === null
}
