import type { Document, Hocuspocus } from '@hocuspocus/server'
import type { Logger } from 'pino'
import * as Y from 'yjs'
import { openSegmentOf } from '../../model/chat.ts'
import { CoweaveError } from '../../model/errors.ts'
import { type Room, roomOf, segmentName } from '../../model/rooms.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Durability } from '../documents/durability.ts'
import type { DocumentRules } from '../documents/guard.ts'
import { MessageArchive } from './archive.ts'
import { HeadRules } from './head-rules.ts'
import { asPredecessor, type Predecessor } from './predecessor.ts'
import { isStamped, Segment, type SegmentLimits } from './segment.ts'

/** Each holds as many ids as a segment has messages. */
const MAX_FULL = 100
const RETRY_STAMPING_MS = 1_000

export interface RoomsOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  readonly logger: Logger
  readonly limits: SegmentLimits
}

interface OpenSegment {
  readonly room: Room
  readonly number: number
  readonly segment: Segment
}

/**
 * The rooms: which documents have rules, and what the server itself does in them. It stamps messages once they are
 * committed and opens the next segment when one is full.
 */
export class Rooms {
  readonly #options: RoomsOptions
  readonly #segments = new Map<Y.Doc, OpenSegment>()
  readonly #heads = new Map<Y.Doc, HeadRules>()
  /** Of segments that became full here, the last ones: the next one of each is about to be opened. */
  readonly #full = new Map<string, Predecessor>()
  readonly #scheduled = new Set<Y.Doc>()
  #hocuspocus: Hocuspocus | undefined

  constructor(options: RoomsOptions) {
    this.#options = options
  }

  /** Where the server finds the documents it writes in. To be called once, before any document is opened. */
  use(hocuspocus: Hocuspocus): void {
    this.#hocuspocus = hocuspocus
  }

  /**
   * The rules of a document that is being opened; undefined for a free-form one. `isNew` tells that the log has
   * nothing of it yet.
   * @throws {CoweaveError} `chat/no-such-segment` for a segment that the server has not opened yet
   */
  async rulesOf(name: string, isNew: boolean): Promise<DocumentRules | undefined> {
    const room = roomOf(name)
    if (room === undefined) return undefined
    if (room.segment === undefined) return new HeadRules()
    const { limits } = this.#options
    const open = openSegmentOf(await this.#stored(room.room)) ?? 1
    if (isNew && room.segment > open) {
      throw new CoweaveError('chat/no-such-segment', `${name} begins once the segments before it are full`)
    }
    const isClosed = room.segment < open
    const state = { isClosed, wasFull: this.#full.has(name) }
    if (room.segment === 1) return new Segment(limits, state)
    return new Segment(limits, state, await this.#predecessorOf(room.room, room.segment))
  }

  /** A document of a room is open: does what was left undone when it was last closed. */
  opened(name: string, document: Y.Doc, rules: DocumentRules): void {
    const room = roomOf(name)
    if (room === undefined) return
    if (rules instanceof Segment && room.segment !== undefined) {
      this.#segments.set(document, { room, number: room.segment, segment: rules })
      document.once('destroy', () => this.#segments.delete(document))
      this.changed(document)
    } else if (rules instanceof HeadRules) {
      this.#heads.set(document, rules)
      document.once('destroy', () => this.#heads.delete(document))
      if (openSegmentOf(document) === undefined) document.getMap('room').set('segment', 1)
    }
  }

  /** What tells the log which messages an update of this document changes; undefined if it holds none. */
  archiveOf(name: string, document: Y.Doc): MessageArchive | undefined {
    const room = roomOf(name)
    return room?.segment === undefined ? undefined : new MessageArchive(room.room, document)
  }

  /** The number of the part of a room that takes new messages. */
  async openSegment(room: string): Promise<number> {
    return await this.withDocument(room, (head) => openSegmentOf(head) ?? 1)
  }

  /**
   * Stamps the messages of a document once they are committed, and opens the next segment if this one is full. The
   * stamps are not committed yet. Messages whose id an earlier segment has are removed instead.
   * @throws {StorageError} when the archive can't be asked for that; then it is tried again later, too
   */
  async stamp(document: Y.Doc): Promise<void> {
    await this.#stampWhenCommitted(document)
  }

  /** A client changed a document: its messages are stamped once that is committed. */
  changed(document: Y.Doc): void {
    if (!this.#segments.has(document) && !this.#heads.has(document)) return
    if (this.#scheduled.has(document)) return
    this.#scheduled.add(document)
    void this.#stampOrRetry(document)
  }

  async #stampWhenCommitted(document: Y.Doc): Promise<void> {
    await this.#options.durability.settled()
    this.#scheduled.delete(document)
    this.#heads.get(document)?.restoreMarks(document)
    const open = this.#segments.get(document)
    // Forgotten or unloaded meanwhile: whoever opens it next stamps.
    if (open === undefined) return
    await this.#stampNow(document, open)
    if (!this.#segments.has(document) || !open.segment.isFull(document)) return
    // More came while the archive was asked. Being full, it takes no others.
    if (!isStamped(document)) return this.#stampWhenCommitted(document)
    this.#rememberFull(document, open)
    try {
      await this.#openNext(open.room.room, open.number)
    } catch (error) {
      // Tried again with the next change, and whenever the segment is opened.
      this.#options.logger.error(
        { document: segmentName(open.room.room, open.number), error },
        'the next segment could not be opened',
      )
    }
  }

  /** Asks the archive only if a message is so old that it could be in a segment which is not at hand. */
  async #stampNow(document: Y.Doc, { room, segment }: OpenSegment): Promise<void> {
    const messages = segment.unstamped(document)
    const doubtful = segment.doubtfulIds(messages)
    if (doubtful.length === 0) return segment.stamp(document, messages, Date.now())
    const repeated = await this.#options.log.knownMessages(room.room, doubtful)
    if (!this.#segments.has(document)) return
    segment.stamp(document, messages, Date.now(), repeated)
  }

  async #stampOrRetry(document: Y.Doc): Promise<void> {
    try {
      await this.#stampWhenCommitted(document)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      const open = this.#segments.get(document)
      // Unloaded, or the server stops: whoever opens it next stamps.
      if (open === undefined || error.code === 'storage/closed') return
      const name = segmentName(open.room.room, open.number)
      this.#options.logger.error({ document: name, error }, 'messages could not be stamped; it is tried again')
      setTimeout(() => this.changed(document), RETRY_STAMPING_MS).unref()
    }
  }

  /** It takes no more messages, and each that it has is stamped. */
  #rememberFull(document: Y.Doc, { room, number, segment }: OpenSegment): void {
    const name = segmentName(room.room, number)
    this.#full.delete(name)
    this.#full.set(name, asPredecessor(document, number, segment.predecessor))
    const [oldest] = this.#full.keys()
    if (this.#full.size > MAX_FULL && oldest !== undefined) this.#full.delete(oldest)
  }

  async #openNext(room: string, full: number): Promise<void> {
    await this.withDocument(room, (head) => {
      if ((openSegmentOf(head) ?? 0) <= full) head.getMap('room').set('segment', full + 1)
    })
  }

  /** Reads the segment before `number` from the log, so that opening one doesn't open all before it. */
  async #predecessorOf(room: string, number: number): Promise<Predecessor> {
    const name = segmentName(room, number - 1)
    const known = this.#full.get(name)
    if (known !== undefined) return known
    let document = await this.#stored(name)
    if (!isStamped(document)) {
      // The server stopped between taking messages and stamping them: opening the segment does that.
      await this.withDocument(name, async (open) => {
        await this.#stampWhenCommitted(open)
        await this.#options.durability.settled()
      })
      document = await this.#stored(name)
    }
    return asPredecessor(document, number - 1)
  }

  async #stored(name: string): Promise<Y.Doc> {
    await this.#options.durability.settled()
    const { parts } = await this.#options.log.load(name)
    const document = new Y.Doc()
    document.transact(() => {
      for (const part of parts) Y.applyUpdate(document, part)
    })
    return document
  }

  /**
   * Keeps a document open while it is used.
   * @throws {CoweaveError} when it can't be opened, with the code that a client would be told
   */
  async withDocument<T>(name: string, use: (document: Document) => T | Promise<T>): Promise<T> {
    const hocuspocus = this.#hocuspocus
    if (hocuspocus === undefined) throw new Error('the rooms have no documents yet')
    for (;;) {
      const connection = await hocuspocus.openDirectConnection(name).catch((refusal: unknown) => {
        const isReason = typeof refusal === 'object' && refusal !== null && 'reason' in refusal
        throw isReason ? new CoweaveError(String(refusal.reason), `${name} can not be opened now`) : refusal
      })
      try {
        const { document } = connection
        // Hocuspocus may unload a document while it hands it out: what is done to that one is done to nothing.
        if (document !== null && hocuspocus.documents.get(name) === document) return await use(document)
      } finally {
        await connection.disconnect()
      }
    }
  }
}
