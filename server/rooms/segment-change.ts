import type * as Y from 'yjs'
import { messagesOf } from '../../model/chat.ts'
import type { Refusal } from '../documents/guard.ts'
import { describeListChange, type EntryEdit, type ListChange, type PlainEntry, structsOf } from './list-change.ts'

/** A message as plain values; nobody has checked them. */
export type PlainMessage = PlainEntry

/** What a transaction did to a chat segment. */
export interface SegmentChange extends Pick<ListChange, 'inserted'> {
  readonly edited: readonly MessageEdit[]
}

/** What was written in a message; `reactions` are the keys of its reactions that were. */
export interface MessageEdit extends Pick<EntryEdit, 'before' | 'after' | 'written'> {
  readonly reactions: ReadonlySet<string>
}

/** Describes a transaction on a segment's trial copy, or says what of it could not come from a chat. */
export function describeSegmentChange(transaction: Y.Transaction, before: Y.Doc): SegmentChange | Refusal {
  const messages = messagesOf(transaction.doc)
  const change = describeListChange(structsOf(transaction), messages, before, { nested: 'reactions' })
  if ('problem' in change) return { rule: 'chat/shape', reason: change.problem }
  const edited = change.edited.map(({ before, after, written, nested }) => ({
    before,
    after,
    written,
    reactions: nested,
  }))
  return { inserted: change.inserted, edited }
}
