import * as Y from 'yjs'
import { uuidOf } from './uuid.ts'

/**
 * The shape of a chat room. Its head (`chat/<room>`) holds which segment is open and who has read how far; its
 * segments (`chat/<room>@<n>`) hold the messages. Whoever writes this shape with plain Yjs takes part.
 */

export const MESSAGES_PER_SEGMENT = 500
export const MAX_TEXT_LENGTH = 4_000
export const MAX_ATTACHMENTS = 10
export const MAX_MENTIONS = 20
export const MAX_EMOJI_LENGTH = 32
/** Of one user, on one message. */
export const MAX_REACTIONS = 20

/** The root type of a segment. */
export const MESSAGES = 'messages'

export interface Attachment {
  readonly name: string
  /** Media type, such as `image/png`. */
  readonly type: string
  /** Bytes. */
  readonly size: number
  readonly url: string
}

/** What Y.relativePositionToJSON gives. */
export interface RelativePosition {
  readonly type?: { readonly client: number; readonly clock: number } | null
  readonly tname?: string | null
  readonly item?: { readonly client: number; readonly clock: number } | null
  readonly assoc?: number
}

/** Where in the document beside the room a comment belongs: Yjs relative positions, as JSON. */
export interface Anchor {
  readonly start: RelativePosition
  readonly end?: RelativePosition
}

export interface ChatMessage {
  /** A UUIDv7 of the client's. */
  readonly id: string
  readonly author: string
  /** By the author's clock, ms since 1970. */
  readonly at: number
  readonly text: string
  readonly replyTo?: string
  /** Users whom it calls by name, each once: they are notified. They stay as they were sent. */
  readonly mentions?: readonly string[]
  readonly anchor?: Anchor
  readonly attachments?: readonly Attachment[]
  readonly editedAt?: number
  readonly deletedAt?: number
  /** `<emoji> <user>` → when. */
  readonly reactions?: Readonly<Record<string, number>>
  /** By the server, once the message is stored: its place in the room, from 1, without gaps. */
  readonly seq?: number
  /** By the server, ms since 1970. */
  readonly receivedAt?: number
}

/** What a client gives of a new message; the rest follows. */
export type Draft = Pick<ChatMessage, 'text' | 'replyTo' | 'mentions' | 'anchor' | 'attachments'>

export function messagesOf(segment: Y.Doc): Y.Array<Y.Map<unknown>> {
  return segment.getArray(MESSAGES)
}

/** Read marks: user → the `seq` up to which they have read. */
export function readsOf(head: Y.Doc): Y.Map<number> {
  return head.getMap('reads')
}

/** The number of the segment that takes new messages; undefined before the server has opened the first. */
export function openSegmentOf(head: Y.Doc): number | undefined {
  const segment: unknown = head.getMap('room').get('segment')
  return typeof segment === 'number' ? segment : undefined
}

/** Appends a message to the open segment, in one transaction. Returns its id. */
export function sendMessage(segment: Y.Doc, author: string, draft: Draft, id = newMessageId()): string {
  const fields = { id, author, at: Date.now(), ...draft }
  segment.transact(() => {
    const message = new Y.Map<unknown>()
    for (const [key, value] of Object.entries(fields)) if (value !== undefined) message.set(key, value)
    // Made with the message: of two made later by two people, one would be lost.
    message.set('reactions', new Y.Map<number>())
    messagesOf(segment).push([message])
  })
  return id
}

/** Changes the text of one's own message. */
export function editMessage(message: Y.Map<unknown>, text: string): void {
  transact(message, () => {
    message.set('text', text)
    message.set('editedAt', Date.now())
  })
}

/** Deletes a message softly: it stays, without text and attachments. */
export function deleteMessage(message: Y.Map<unknown>): void {
  transact(message, () => {
    message.set('text', '')
    if (message.has('attachments')) message.set('attachments', [])
    message.set('deletedAt', Date.now())
  })
}

/** Adds or removes one's own reaction. A message without `reactions` takes them once the server has stamped it. */
export function setReaction(message: Y.Map<unknown>, emoji: string, user: string, isOn: boolean): void {
  const reactions = message.get('reactions')
  if (!(reactions instanceof Y.Map)) throw new Error('the message does not take reactions yet')
  if (isOn) reactions.set(reactionKey(emoji, user), Date.now())
  else reactions.delete(reactionKey(emoji, user))
}

export function reactionKey(emoji: string, user: string): string {
  return `${emoji} ${user}`
}

/** By `seq`, those without one last, in the order in which they stand. */
export function inOrder(messages: readonly ChatMessage[]): ChatMessage[] {
  return [...messages].sort(
    (left, right) => (left.seq ?? Number.MAX_SAFE_INTEGER) - (right.seq ?? Number.MAX_SAFE_INTEGER),
  )
}

/** A UUID of version 7 (RFC 9562): sorts by time. */
export function newMessageId(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(now) << 16n) | BigInt(((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0)))
  return uuidOf(bytes, 7)
}

/** The time in a message's id, ms since 1970: when it was made, by its author's clock. */
export function timeOfMessageId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

function transact(type: Y.Map<unknown>, change: () => void): void {
  if (type.doc === null) throw new Error('the message is not in a document')
  type.doc.transact(change)
}
