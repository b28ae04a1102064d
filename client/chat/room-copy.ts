import type * as Y from 'yjs'
import { type ChatMessage, openSegmentOf } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import type { ChatState, CollaborativeDocument, RefusedChange, Stop } from '../api.ts'
import type { SessionDocuments } from '../session-documents.ts'
import { followDocument, isOnline } from './document-follower.ts'
import { SegmentCopy } from './segment-copy.ts'

/** With fewer messages in the open segment, the one before it is opened too. */
const CONTEXT_MESSAGES = 30
/**
 * So many parts of a room are kept open at most; what is older is found by searching. A server lets a hundred documents
 * of one socket wait for authentication, which all of a page's do when it reconnects.
 */
const MAX_SEGMENTS = 12

export interface RoomEvents {
  onChange(): void
  /** Something in segment `number` was refused and is taken back; `messages` are those that were here with it. */
  onRefused(number: number, messages: readonly ChatMessage[], change: RefusedChange): void
  /** A read mark, or something in a call, was refused and is taken back. */
  onHeadRefused(change: RefusedChange): void
}

/** The documents of one room that are open here: the head, and segments without a gap up to the open one. */
export class RoomCopy {
  readonly room: string
  readonly head: CollaborativeDocument
  readonly #documents: SessionDocuments
  readonly #events: RoomEvents
  readonly #segments = new Map<number, SegmentCopy>()
  readonly #unfollowHead: Stop

  constructor(room: string, documents: SessionDocuments, events: RoomEvents) {
    this.room = room
    this.#documents = documents
    this.#events = events
    this.head = documents.open(room)
    this.#unfollowHead = followDocument(this.head, {
      onChange: () => events.onChange(),
      onRefused: (change) => events.onHeadRefused(change),
    })
  }

  /** The number of the segment that takes messages; 0 before that is known. */
  get openNumber(): number {
    return openSegmentOf(this.head.ydoc) ?? 0
  }

  get openSegment(): SegmentCopy | undefined {
    return this.#segments.get(this.openNumber)
  }

  /** What is written arrives, and what was written is here. */
  get isOnline(): boolean {
    return isOnline(this.head) && this.openSegment?.isOnline === true
  }

  /** Some part is being taken back to what the server has. */
  get isReplacing(): boolean {
    return [...this.#segments.values()].some(({ isReplacing }) => isReplacing)
  }

  get isReadOnly(): boolean {
    return this.documents.some(({ state }) => state.get().readOnly !== false)
  }

  get documents(): readonly CollaborativeDocument[] {
    return [this.head, ...[...this.#segments.values()].map(({ document }) => document)]
  }

  get earlier(): ChatState['earlier'] {
    const first = this.#firstNumber
    if (first === 0) return 'none'
    if (this.#segments.get(first)?.isReady === false) return 'loading'
    if (first === 1) return 'none'
    return this.#segments.size >= MAX_SEGMENTS ? 'too-far' : 'there'
  }

  close(): void {
    this.#unfollowHead()
    this.head.destroy()
    for (const segment of this.#segments.values()) segment.close()
  }

  /** Opens what is wanted by now: the open segment, some of what was before it, and `needed` ones. */
  openWanted(needed: ReadonlySet<number>): void {
    const number = this.openNumber
    if (number === 0) return
    this.#open(number)
    const open = this.openSegment
    const isShort = open?.isReady === true && open.messages().length < CONTEXT_MESSAGES
    if (isShort && number > 1) this.#open(number - 1)
    for (const wanted of needed) if (wanted <= number) this.#open(wanted)
    this.#closeOldest(needed)
  }

  openEarlier(): void {
    if (this.earlier === 'there') this.#open(this.#firstNumber - 1)
  }

  segment(number: number): SegmentCopy | undefined {
    return this.#segments.get(number)
  }

  /** The message with this id, where it may be changed now. */
  find(id: string): Y.Map<unknown> | undefined {
    for (const segment of this.#segments.values()) {
      const message = segment.find(id)
      if (message !== undefined) return message
    }
    return undefined
  }

  /** The messages of all segments that are open here: id → message. */
  all(): Map<string, ChatMessage> {
    return messagesIn([...this.#segments.values()])
  }

  /** The messages without a gap up to the last: id → message. */
  messages(): Map<string, ChatMessage> {
    const first = this.#firstNumber
    return messagesIn([...this.#segments.values()].filter(({ number }) => number >= first))
  }

  get #firstNumber(): number {
    let number = this.openNumber
    if (!this.#segments.has(number)) return 0
    while (this.#segments.has(number - 1)) number -= 1
    return number
  }

  /** A page that stays open for weeks doesn't keep all that was ever said. */
  #closeOldest(needed: ReadonlySet<number>): void {
    if (this.#segments.size <= MAX_SEGMENTS) return
    const oldest = this.#segments.get(Math.min(...this.#segments.keys()))
    if (oldest === undefined || needed.has(oldest.number) || oldest.document.unsaved > 0 || oldest.isReplacing) return
    this.#segments.delete(oldest.number)
    oldest.close()
  }

  #open(number: number): void {
    if (this.#segments.has(number)) return
    const document = this.#documents.open(segmentName(this.room, number), { presence: false })
    const segment = new SegmentCopy(number, document, {
      onChange: () => this.#events.onChange(),
      onRefused: (messages, change) => this.#events.onRefused(number, messages, change),
    })
    this.#segments.set(number, segment)
  }
}

function messagesIn(segments: readonly SegmentCopy[]): Map<string, ChatMessage> {
  const found = new Map<string, ChatMessage>()
  for (const segment of segments.toSorted((one, other) => one.number - other.number)) {
    for (const message of segment.messages()) {
      if (found.get(message.id)?.seq === undefined) found.set(message.id, message)
    }
  }
  return found
}
