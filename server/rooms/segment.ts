import type * as Y from 'yjs'
import { messagesOf } from '../../model/chat.ts'
import type { DecodedUpdate } from '../documents/check-update.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { appendedMessages } from './appended-messages.ts'
import { segmentRefusal } from './chat-rules.ts'
import { describeSegmentChange, type SegmentChange } from './segment-change.ts'

export interface SegmentLimits {
  readonly maxTextLength: number
  readonly maxMessages: number
}

export interface SegmentState {
  /** A later segment is open, however many messages this one holds. */
  readonly isClosed: boolean
  /** The next one may be about to be opened. */
  readonly wasFull: boolean
}

const NONE: ReadonlySet<string> = new Set()

/** One part of a room's messages: its rules, and which of them have no stamp yet. */
export class Segment implements DocumentRules {
  readonly #limits: SegmentLimits
  readonly #isClosed: boolean
  /** The ids of the messages in the segment before it. */
  readonly #idsBefore: ReadonlySet<string>
  #ids = new Set<string>()
  /** Ids of messages that were removed: segments further back have them. */
  readonly #repeated = new Set<string>()
  /** Told so or seen, also if messages were removed since: who was refused for that waits for the next one. */
  #wasFull: boolean
  /** At least so many messages have a stamp. */
  #stamped = 0

  constructor(limits: SegmentLimits, { isClosed, wasFull }: SegmentState, idsBefore = NONE) {
    this.#limits = limits
    this.#isClosed = isClosed
    this.#wasFull = wasFull
    this.#idsBefore = idsBefore
  }

  define(document: Y.Doc): void {
    messagesOf(document)
  }

  read(update: DecodedUpdate, document: Y.Doc, author: Author): Refusal | 'accepted' | undefined {
    const inserted = appendedMessages(update, document)
    return inserted === undefined ? undefined : (this.#judge({ inserted, edited: [] }, document, author) ?? 'accepted')
  }

  check(transaction: Y.Transaction, before: Y.Doc, author: Author): Refusal | undefined {
    const change = describeSegmentChange(transaction, before)
    return 'rule' in change ? change : this.#judge(change, before, author)
  }

  #judge(change: SegmentChange, before: Y.Doc, { principal, level }: Author): Refusal | undefined {
    const ids = this.#idsOf(before)
    const refusal = segmentRefusal(change, {
      ...this.#limits,
      // The setting may have been raised since: more messages would take numbers that the next segment has given.
      ...(this.#isClosed || this.#wasFull ? { maxMessages: 0 } : {}),
      user: principal.user,
      level,
      now: Date.now(),
      count: messagesOf(before).length,
      has: (id) => ids.has(id) || this.#idsBefore.has(id) || this.#repeated.has(id),
    })
    if (refusal === undefined) for (const { id } of change.inserted) ids.add(String(id))
    return refusal
  }

  /**
   * The ids in a document, those of the change just accepted among them: collecting them anew for each message would
   * cost more than all the rules. Each message has an id of its own, and those of removed ones are taken out, so that
   * their number tells when this is wrong: an accepted change could not be applied.
   */
  #idsOf(document: Y.Doc): Set<string> {
    if (this.#ids.size !== messagesOf(document).length) this.#ids = idsOf(document)
    return this.#ids
  }

  /** Whether it is time to open the next one. */
  isFull(document: Y.Doc): boolean {
    return !this.#isClosed && (this.#wasFull || messagesOf(document).length >= this.#limits.maxMessages)
  }

  /**
   * The messages without a stamp: those at the end, mostly, but what two people append at the same time may end up
   * before what has one.
   */
  unstamped(document: Y.Doc): Y.Map<unknown>[] {
    const messages = messagesOf(document)
    const missing = messages.length - this.#stamped
    const isUnstamped = (message: Y.Map<unknown>) => !message.has('seq')
    const last = messages.slice(this.#stamped).filter(isUnstamped)
    const unstamped = last.length === missing ? last : messages.toArray().filter(isUnstamped)
    this.#stamped = messages.length - unstamped.length
    return unstamped
  }

  /** So many more messages have a stamp. */
  countStamped(count: number): void {
    this.#stamped += count
  }

  /** Removes those of `messages` that have no stamp and whose id is in `known`: the room has another message of that id. */
  removeRepeated(document: Y.Doc, messages: readonly Y.Map<unknown>[], known: ReadonlySet<string>): void {
    const isRepeated = (message: Y.Map<unknown>) =>
      message._item?.deleted === false && !message.has('seq') && known.has(idOf(message))
    const repeated = new Set(messages.filter(isRepeated))
    if (repeated.size > 0) document.transact(() => this.#remove(document, repeated))
  }

  #remove(document: Y.Doc, removed: ReadonlySet<Y.Map<unknown>>): void {
    const messages = messagesOf(document)
    this.#wasFull ||= this.isFull(document)
    for (const [index, message] of [...messages.toArray().entries()].reverse()) {
      if (!removed.has(message)) continue
      this.#repeated.add(idOf(message))
      this.#ids.delete(idOf(message))
      messages.delete(index)
    }
  }
}

export function idsOf(document: Y.Doc): Set<string> {
  return new Set(messagesOf(document).map(idOf))
}

export function idOf(message: Y.Map<unknown>): string {
  return String(message.get('id'))
}

export function isStamped(document: Y.Doc): boolean {
  return messagesOf(document)
    .toArray()
    .every((message) => message.has('seq'))
}
