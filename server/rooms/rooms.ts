import type { Document, Hocuspocus } from '@hocuspocus/server'
import * as Y from 'yjs'
import { messagesOf, openSegmentOf } from '../../model/chat.ts'
import { CoweaveError } from '../../model/errors.ts'
import { type ChatRoom, roomOf, segmentName } from '../../model/rooms.ts'
import type { NewEvent } from '../../persistence/event-store.ts'
import type { Durability } from '../documents/durability.ts'
import type { DocumentRules } from '../documents/guard.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import { boundInbox } from '../inbox/bound-inbox.ts'
import { InboxArchive } from '../inbox/inbox-archive.ts'
import { MessageNotifications } from '../inbox/message-notifications.ts'
import { type Archive, MessageArchive } from './archive.ts'
import { HeadRules } from './head-rules.ts'
import { Heads, type HeadsOptions } from './heads.ts'
import { InboxRules } from './inbox-rules.ts'
import { Lobbies } from './lobby.ts'
import { LobbyRules } from './lobby-rules.ts'
import { idsOf, isStamped, Segment, type SegmentLimits } from './segment.ts'
import { Stamper } from './stamper.ts'

/** Each holds as many ids as a segment has messages. */
const MAX_FULL = 100
const RETRY_MS = 1_000
/** How long the next segment waits for another instance to open it. */
const TAKE_OVER_MS = 1_000

export interface RoomsOptions extends Omit<HeadsOptions, 'withDocument'> {
  readonly durability: Durability
  readonly limits: SegmentLimits
  /** Resolves once a document has what other instances have committed until now. */
  readonly catchUp: (document: OpenDocument) => Promise<void>
}

interface OpenSegment {
  readonly document: Y.Doc
  readonly name: string
  readonly room: string
  readonly number: number
  readonly rules: Segment
  readonly stamper: Stamper
  /** Whether it was seen to be full, and the next one is being opened. */
  hasNext: boolean
}

/**
 * The rooms: which documents have rules, and what the server itself does in them. It stamps messages (stamper.ts), and
 * opens the next segment when one is full. Several instances may do that at once: they write the same.
 */
export class Rooms {
  readonly #options: RoomsOptions
  readonly #segments = new Map<Y.Doc, OpenSegment>()
  readonly #heads: Heads
  readonly #stampers = new Map<string, Stamper>()
  readonly #lobbies: Lobbies
  /** Of segments that became full here, the last ones: the ids that the next one of each must not take. */
  readonly #full = new Map<string, ReadonlySet<string>>()
  #hocuspocus: Hocuspocus | undefined

  constructor(options: RoomsOptions) {
    this.#options = options
    const withDocument = (name: string, use: (document: Y.Doc) => Promise<void>) => this.withDocument(name, use)
    this.#heads = new Heads({ ...options, withDocument })
    const addEvents = (events: readonly NewEvent[]) => options.log.events.add(events)
    this.#lobbies = new Lobbies({ withDocument, addEvents, logger: options.logger })
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
    if (room.kind === 'inbox') return new InboxRules(room.user)
    if (room.kind === 'lobby') return new LobbyRules()
    if (room.segment === undefined) return new HeadRules(room.kind === 'dm' ? room.members : undefined)
    const { limits } = this.#options
    const open = openSegmentOf(await this.#stored(room.room)) ?? 1
    if (isNew && room.segment > open && !(await this.#isFull(room.room, room.segment - 1))) {
      throw new CoweaveError('chat/no-such-segment', `${name} begins once the segments before it are full`)
    }
    const isClosed = room.segment < open
    const state = { isClosed, wasFull: this.#full.has(name) }
    if (room.segment === 1) return new Segment(limits, state)
    return new Segment(limits, state, await this.#idsIn(segmentName(room.room, room.segment - 1)))
  }

  /** A document of a room is open: does what was left undone when it was last closed. */
  opened(open: OpenDocument, rules: DocumentRules): void {
    const room = roomOf(open.name)
    if (room === undefined) return
    const { ydoc } = open
    if (rules instanceof InboxRules) {
      boundInbox(ydoc)
    } else if (rules instanceof Segment && room.segment !== undefined) {
      const stamper = this.#stamperOf(room)
      this.#openedSegment(open, {
        document: ydoc,
        name: open.name,
        room: room.room,
        number: room.segment,
        rules,
        stamper,
        hasNext: false,
      })
    } else if (rules instanceof HeadRules && (room.kind === 'chat' || room.kind === 'dm')) {
      this.#heads.opened(open, rules, room)
    } else if (rules instanceof LobbyRules) {
      this.#lobbies.opened(open)
    }
  }

  /** What tells the log which messages an update of this document changes; undefined if it holds none. */
  archiveOf(name: string, document: Y.Doc): Archive | undefined {
    const room = roomOf(name)
    if (room?.kind === 'inbox') return new InboxArchive(room.room, document)
    return room?.segment === undefined ? undefined : new MessageArchive(room.room, document)
  }

  /** The number of the part of a room that takes new messages. */
  async openSegment(room: string): Promise<number> {
    return await this.withDocument(room, (head) => openSegmentOf(head) ?? 1)
  }

  /** A client of this instance changed a document. */
  changed({ ydoc }: OpenDocument): void {
    const open = this.#segments.get(ydoc)
    open?.stamper.changed()
    this.#openNextIfFull(open)
    this.#heads.changed(ydoc)
  }

  /** A document has taken what `author` committed on another instance. */
  followed({ ydoc }: OpenDocument, author: string): void {
    const open = this.#segments.get(ydoc)
    open?.stamper.followed(author)
    this.#openNextIfFull(open)
    this.#heads.followed(ydoc, author)
  }

  /** Other people than before may have a document open. */
  hereChanged({ ydoc }: OpenDocument): void {
    this.#heads.hereChanged(ydoc)
  }

  /** It is known again who is on other instances. */
  reconnected(): void {
    this.#heads.reconnected()
  }

  /** Somebody is erased, and sent away. */
  erased(user: string): void {
    this.#lobbies.erased(user)
  }

  /** Writes down what it knows, and nothing more by itself. To be called before the connections are closed. */
  close(): void {
    this.#lobbies.close()
    this.#heads.close()
  }

  /**
   * Stamps the messages of a document. Resolves once that is committed.
   * @throws {StorageError}
   */
  async stamp(document: Y.Doc): Promise<void> {
    await this.#segments.get(document)?.stamper.stamp()
  }

  #openedSegment(open: OpenDocument, segment: OpenSegment): void {
    const { ydoc } = open
    const { name, stamper, room, number, rules } = segment
    this.#segments.set(ydoc, segment)
    ydoc.once('destroy', () => {
      this.#segments.delete(ydoc)
      stamper.remove(ydoc)
      if (stamper.isIdle) this.#stampers.delete(room)
    })
    const catchUp = () => this.#options.catchUp(open)
    stamper.add({ name, number, document: ydoc, rules, take: (row) => open.takeCommitted(row), catchUp })
    this.#openNextIfFull(segment)
  }

  #stamperOf(chat: ChatRoom): Stamper {
    const { room } = chat
    const known = this.#stampers.get(room)
    if (known !== undefined) return known
    const { log, durability, logger, notifications, link, present, isOpenToAll, asksFirst } = this.#options
    const stamper = new Stamper({
      room,
      log,
      durability,
      notices: new MessageNotifications({
        room: chat,
        log,
        link,
        present,
        isOpenToAll,
        onProblem: (error) => logger.error({ room, error }, 'whom messages notify could not be read'),
      }),
      notifications,
      asksFirst: asksFirst && chat.kind === 'chat',
      onProblem: (error) => logger.error({ room, error }, 'messages could not be stamped'),
    })
    this.#stampers.set(room, stamper)
    return stamper
  }

  #openNextIfFull(open: OpenSegment | undefined): void {
    if (open === undefined || open.hasNext || !open.rules.isFull(open.document)) return
    open.hasNext = true
    this.#rememberFull(open.name, open.document)
    if (!open.stamper.isElsewhere) void this.#openNext(open)
    // Whoever stamps opens the next one, too: twice does no harm, but costs clients a moment of doubt.
    else setTimeout(() => void this.#openNext(open), TAKE_OVER_MS).unref()
  }

  async #openNext(open: OpenSegment): Promise<void> {
    try {
      await this.withDocument(open.room, (head) => {
        if ((openSegmentOf(head) ?? 0) <= open.number) head.getMap('room').set('segment', open.number + 1)
      })
    } catch (error) {
      // Unloaded, or the server stops: whoever opens it next opens the one after it.
      if (!this.#segments.has(open.document)) return
      this.#options.logger.error({ document: open.name, error }, 'the next segment could not be opened')
      setTimeout(() => void this.#openNext(open), RETRY_MS).unref()
    }
  }

  #rememberFull(name: string, document: Y.Doc): void {
    this.#full.delete(name)
    this.#full.set(name, idsOf(document))
    const [oldest] = this.#full.keys()
    if (this.#full.size > MAX_FULL && oldest !== undefined) this.#full.delete(oldest)
  }

  /** The ids in a full segment. Its messages are stamped before those of the next one, which is why this waits for it. */
  async #idsIn(name: string): Promise<ReadonlySet<string>> {
    const known = this.#full.get(name)
    if (known !== undefined) return known
    const document = await this.#stored(name)
    if (isStamped(document)) return idsOf(document)
    // The server stopped between taking messages and stamping them.
    return await this.withDocument(name, async (open) => {
      await this.stamp(open)
      return idsOf(open)
    })
  }

  /** What the head says may be taken back for a moment, when two instances write there at once. */
  async #isFull(room: string, number: number): Promise<boolean> {
    return messagesOf(await this.#stored(segmentName(room, number))).length >= this.#options.limits.maxMessages
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
