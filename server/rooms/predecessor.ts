import type * as Y from 'yjs'
import { messagesOf, timeOfMessageId } from '../../model/chat.ts'
import { CLOCK_AHEAD_MS } from './chat-rules.ts'

/** What a segment needs to know of those before it. */
export interface Predecessor {
  readonly lastSeq: number
  /** Of the messages in the segment right before it. */
  readonly ids: ReadonlySet<string>
  /** No segment further back has an id with a later time than this, ms since 1970. Undefined if there is none. */
  readonly lastEarlierIdTime: number | undefined
}

export const NO_PREDECESSOR: Predecessor = { lastSeq: 0, ids: new Set(), lastEarlierIdTime: undefined }

/**
 * What is to be known of `document`, the `number`th segment of a room, in the one after it. All of it is stamped.
 * `before` is what it knows itself, if that is at hand.
 */
export function asPredecessor(document: Y.Doc, number: number, before?: Predecessor): Predecessor {
  return {
    lastSeq: lastSeqOf(document),
    ids: idsOf(document),
    lastEarlierIdTime: number === 1 ? undefined : lastEarlierIdTime(document, before),
  }
}

function lastEarlierIdTime(document: Y.Doc, before: Predecessor | undefined): number {
  // Segments further back took nothing more once this one had its first, and ids are hardly ahead of their time.
  const latest = firstReceivedAt(document) + CLOCK_AHEAD_MS
  if (before === undefined) return latest
  // What they have is mostly older: where a segment fills within the minute, not each message is to be doubted.
  const known = Array.from(before.ids, timeOfMessageId).reduce((last, time) => Math.max(last, time), 0)
  return Math.min(latest, Math.max(known, before.lastEarlierIdTime ?? 0))
}

/** The highest `seq` in a segment; 0 when none of its messages has one. */
export function lastSeqOf(document: Y.Doc): number {
  return messagesOf(document)
    .toArray()
    .reduce((last, message) => Math.max(last, Number(message.get('seq') ?? 0)), 0)
}

export function idsOf(document: Y.Doc): Set<string> {
  return new Set(messagesOf(document).map(idOf))
}

export function idOf(message: Y.Map<unknown>): string {
  return String(message.get('id'))
}

function firstReceivedAt(document: Y.Doc): number {
  return messagesOf(document)
    .toArray()
    .reduce((first, message) => Math.min(first, Number(message.get('receivedAt'))), Number.POSITIVE_INFINITY)
}
