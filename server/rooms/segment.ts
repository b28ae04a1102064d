import * as Y from 'yjs'
import { messagesOf } from '../../model/chat.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { segmentRefusal } from './chat-rules.ts'
import { describeSegmentChange } from './segment-change.ts'

export interface SegmentLimits {
  readonly maxTextLength: number
  readonly maxMessages: number
}

/** What a segment needs to know of the one before it. */
export interface Predecessor {
  readonly lastSeq: number
  readonly ids: ReadonlySet<string>
}

/** One part of a room's messages: its rules, and the stamps that tell that a message is stored. */
export class Segment implements DocumentRules {
  readonly #limits: SegmentLimits
  readonly #predecessor: Predecessor

  constructor(limits: SegmentLimits, predecessor: Predecessor = { lastSeq: 0, ids: new Set() }) {
    this.#limits = limits
    this.#predecessor = predecessor
  }

  define(document: Y.Doc): void {
    messagesOf(document)
  }

  check(transaction: Y.Transaction, before: Y.Doc, { principal, level }: Author): Refusal | undefined {
    const change = describeSegmentChange(transaction, before)
    if ('rule' in change) return change
    const ids = idsOf(before)
    return segmentRefusal(change, {
      ...this.#limits,
      user: principal.user,
      level,
      now: Date.now(),
      count: messagesOf(before).length,
      has: (id) => ids.has(id) || this.#predecessor.ids.has(id),
    })
  }

  isFull(document: Y.Doc): boolean {
    return messagesOf(document).length >= this.#limits.maxMessages
  }

  /** Gives each message that has none its place in the room. To be called once they are committed. */
  stamp(document: Y.Doc, now: number): void {
    const messages = messagesOf(document).toArray()
    const unstamped = messages.filter((message) => !message.has('seq'))
    if (unstamped.length === 0) return
    let seq = Math.max(lastSeqOf(document), this.#predecessor.lastSeq)
    document.transact(() => {
      for (const message of unstamped) {
        seq += 1
        message.set('seq', seq)
        message.set('receivedAt', now)
        if (!message.has('reactions')) message.set('reactions', new Y.Map())
      }
    })
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
