import type { ChatMessage } from '../../../model/chat.ts'
import type { DocumentSession } from '../collaboration/document-session.ts'
import type { SaveStatus } from '../collaboration/save-state.ts'

/** A room as the page shows it. */
export interface ChatView {
  readonly status: 'connecting' | 'online' | 'offline' | 'read-only' | 'refused'
  /** There is something true to show. */
  readonly ready: boolean
  /** In order; own ones that were not sent yet come last. */
  readonly messages: readonly ChatMessage[]
  /** What the server refused: message id → why. */
  readonly problems: Readonly<Record<string, string>>
  readonly reads: Readonly<Record<string, number>>
  readonly unread: number
  /** The line above the new messages stands after this seq. */
  readonly newAfter: number
  /** This browser's storage has all that was written here. */
  readonly kept: boolean
  /** It can keep what is written while offline. */
  readonly canKeep: boolean
  readonly earlier: 'none' | 'there' | 'loading' | 'too-far'
  /** A change that was refused and is gone, such as an edit of a message that somebody deleted. */
  readonly refusedChange: string | undefined
}

/** Of a room that nothing is known of yet. */
export const emptyView: ChatView = {
  status: 'connecting',
  ready: false,
  messages: [],
  problems: {},
  reads: {},
  unread: 0,
  newAfter: 0,
  kept: true,
  canKeep: true,
  earlier: 'none',
  refusedChange: undefined,
}

/** What the documents of a room tell about all of it. */
export function statusOf(documents: readonly DocumentSession[], isOnline: boolean): ChatView['status'] {
  const kinds = documents.map((document) => document.view.get().status.kind)
  if (kinds.includes('refused')) return 'refused'
  if (kinds.includes('offline')) return 'offline'
  if (kinds.includes('read-only')) return 'read-only'
  return isOnline ? 'online' : 'connecting'
}

export function canKeep(status: SaveStatus): boolean {
  return status.kind !== 'offline' || status.kept
}

/** Messages are compared by identity: each is a new object only when it has changed. */
export function isSameView(one: ChatView, other: ChatView): boolean {
  const { messages, ...rest } = one
  const { messages: otherMessages, ...otherRest } = other
  return (
    messages.length === otherMessages.length &&
    messages.every((message, index) => message === otherMessages[index]) &&
    JSON.stringify(rest) === JSON.stringify(otherRest)
  )
}
