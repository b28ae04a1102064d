import * as Y from 'yjs'
import { messagesOf, timeOfMessageId } from '../../model/chat.ts'
import type { DecodedUpdate } from '../documents/check-update.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { appendedMessages } from './appended-messages.ts'
import { segmentRefusal } from './chat-rules.ts'
import { idOf, idsOf, lastSeqOf, NO_PREDECESSOR, type Predecessor } from './predecessor.ts'
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

/** One part of a room's messages: its rules, and the stamps that tell that a message is stored. */
export class Segment implements DocumentRules {
  readonly #limits: SegmentLimits
  readonly #isClosed: boolean
  readonly predecessor: Predecessor
  #ids = new Set<string>()
  /** Ids of messages that were removed: segments further back have them. */
  readonly #repeated = new Set<string>()
  /** Told so or seen, also if messages were removed since. */
  #wasFull: boolean
  /** How many messages have a stamp, and the last one: nobody else gives them, so that they are counted once. */
  #stamped = 0
  #lastSeq: number | undefined

  constructor(limits: SegmentLimits, { isClosed, wasFull }: SegmentState, predecessor = NO_PREDECESSOR) {
    this.#limits = limits
    this.#isClosed = isClosed
    this.#wasFull = wasFull
    this.predecessor = predecessor
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
      ...(this.#isClosed || this.#isCutShort(before) ? { maxMessages: 0 } : {}),
      user: principal.user,
      level,
      now: Date.now(),
      count: messagesOf(before).length,
      has: (id) => ids.has(id) || this.predecessor.ids.has(id) || this.#repeated.has(id),
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
    return !this.#isClosed && (this.#isCutShort(document) || messagesOf(document).length >= this.#limits.maxMessages)
  }

  /**
   * Whether it was full before messages were removed: who was refused for that waits for the next one to be opened. An
   * empty one is not, for the next one counts on from the messages here.
   */
  #isCutShort(document: Y.Doc): boolean {
    return this.#wasFull && messagesOf(document).length > 0
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

  /** The ids of those of `messages` that are so old that a segment which is not at hand may have them. */
  doubtfulIds(messages: readonly Y.Map<unknown>[]): string[] {
    const { lastEarlierIdTime } = this.predecessor
    if (lastEarlierIdTime === undefined) return []
    return messages.map(idOf).filter((id) => timeOfMessageId(id) <= lastEarlierIdTime)
  }

  /**
   * Gives each of `messages` its place in the room, and removes those whose id is in `repeated`: an earlier segment has
   * it. To be called once they are committed and the archive was asked for their doubtfulIds(); what happened to them
   * meanwhile stays.
   */
  stamp(document: Y.Doc, messages: readonly Y.Map<unknown>[], now: number, repeated = NONE): void {
    const waiting = messages.filter((message) => message._item?.deleted === false && !message.has('seq'))
    if (waiting.length === 0) return
    const good = waiting.filter((message) => !repeated.has(idOf(message)))
    let seq = this.#lastSeq ?? Math.max(lastSeqOf(document), this.predecessor.lastSeq)
    document.transact(() => {
      for (const message of good) {
        seq += 1
        message.set('seq', seq)
        message.set('receivedAt', now)
        if (!message.has('reactions')) message.set('reactions', new Y.Map())
      }
      if (good.length < waiting.length) this.#remove(document, new Set(waiting).difference(new Set(good)))
    })
    this.#lastSeq = seq
    this.#stamped += good.length
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

export function isStamped(document: Y.Doc): boolean {
  return messagesOf(document)
    .toArray()
    .every((message) => message.has('seq'))
}
