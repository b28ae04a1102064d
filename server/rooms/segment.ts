import * as Y from 'yjs'
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

/** What a segment needs to know of the one before it. */
export interface Predecessor {
  readonly lastSeq: number
  readonly ids: ReadonlySet<string>
}

const NO_PREDECESSOR: Predecessor = { lastSeq: 0, ids: new Set() }

/** One part of a room's messages: its rules, and the stamps that tell that a message is stored. */
export class Segment implements DocumentRules {
  readonly #limits: SegmentLimits
  readonly #isClosed: boolean
  readonly #predecessor: Predecessor
  #ids = new Set<string>()
  /** How many messages have a stamp, and the last one: nobody else gives them, so that they are counted once. */
  #stamped = 0
  #lastSeq: number | undefined

  /** `isClosed` tells that a later segment is open, however many messages this one holds. */
  constructor(limits: SegmentLimits, isClosed: boolean, predecessor = NO_PREDECESSOR) {
    this.#limits = limits
    this.#isClosed = isClosed
    this.#predecessor = predecessor
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
      ...(this.#isClosed ? { maxMessages: 0 } : {}),
      user: principal.user,
      level,
      now: Date.now(),
      count: messagesOf(before).length,
      has: (id) => ids.has(id) || this.#predecessor.ids.has(id),
    })
    if (refusal === undefined) for (const { id } of change.inserted) ids.add(String(id))
    return refusal
  }

  /**
   * The ids in a document, those of the change just accepted among them: collecting them anew for each message would
   * cost more than all the rules. Messages only ever come, each with an id of its own, so that their number tells when
   * this is wrong: an accepted change could not be applied.
   */
  #idsOf(document: Y.Doc): Set<string> {
    if (this.#ids.size !== messagesOf(document).length) this.#ids = idsOf(document)
    return this.#ids
  }

  /** Whether it is time to open the next one. */
  isFull(document: Y.Doc): boolean {
    return !this.#isClosed && messagesOf(document).length >= this.#limits.maxMessages
  }

  /** Gives each message that has none its place in the room. To be called once they are committed. */
  stamp(document: Y.Doc, now: number): void {
    const messages = messagesOf(document)
    const unstamped = this.#unstampedOf(messages)
    if (unstamped.length === 0) return
    let seq = this.#lastSeq ?? Math.max(lastSeqOf(document), this.#predecessor.lastSeq)
    document.transact(() => {
      for (const message of unstamped) {
        seq += 1
        message.set('seq', seq)
        message.set('receivedAt', now)
        if (!message.has('reactions')) message.set('reactions', new Y.Map())
      }
    })
    this.#lastSeq = seq
    this.#stamped = messages.length
  }

  /** Those at the end, mostly: but what two people append at the same time may end up before what has a stamp. */
  #unstampedOf(messages: Y.Array<Y.Map<unknown>>): Y.Map<unknown>[] {
    const missing = messages.length - this.#stamped
    const unstamped = (message: Y.Map<unknown>) => !message.has('seq')
    const last = messages.slice(this.#stamped).filter(unstamped)
    return last.length === missing ? last : messages.toArray().filter(unstamped)
  }
}

/** The highest `seq` in a segment; 0 when none of its messages has one. */
export function lastSeqOf(document: Y.Doc): number {
  return messagesOf(document)
    .toArray()
    .reduce((last, message) => Math.max(last, Number(message.get('seq') ?? 0)), 0)
}

export function isStamped(document: Y.Doc): boolean {
  return messagesOf(document)
    .toArray()
    .every((message) => message.has('seq'))
}

export function idsOf(document: Y.Doc): Set<string> {
  return new Set(messagesOf(document).map((message) => String(message.get('id'))))
}
