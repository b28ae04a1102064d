import type { AdminStore } from './admin-store.ts'
import type { ClientClaim } from './client-claim.ts'
import type { EventStore, NewEvent } from './event-store.ts'
import type { ArchivedMessage, MessageStore } from './message-store.ts'
import type { PeopleStore } from './people-store.ts'
import type { PushStore } from './push-store.ts'
import type { Retention } from './retention.ts'
import type { SeenStore } from './seen-store.ts'
import type { TextIndex } from './text-index.ts'
import type { VersionStore } from './version-store.ts'
import type { WebhookStore } from './webhook-store.ts'

/** One Yjs update on its way into the log. */
export interface NewUpdate {
  readonly document: string
  /** When the server took it, ms since 1970. */
  readonly at: number
  /** The user who wrote it; '' for the server itself. */
  readonly author: string
  /** A v1 Yjs update. The log keeps its own copy; the caller may reuse the memory once append() has returned. */
  readonly data: Uint8Array
  /**
   * The Yjs client ids that this update is the first to use: they belong to `author` from now on. Where one belongs to
   * somebody else already, the update is left out.
   */
  readonly clients: readonly number[]
  /** The chat messages that this update makes or changes, as they are after it: stored with it or not at all. */
  readonly messages?: readonly ArchivedMessage[]
  /** When these messages are to be pushed to who subscribed to their rooms, ms since 1970; see PushStore. */
  readonly pushAt?: number | undefined
  /** What happened by this update: stored with it or not at all; see EventStore. */
  readonly events?: readonly NewEvent[] | undefined
  /** What must be so for this update to be stored: it is left out otherwise. For what only one instance may write. */
  readonly expects?: ExpectedRoom | ExpectedPosition | undefined
  /**
   * It comes of another update, and is left out if that one is: the last one before it in its batch that follows none
   * itself. What comes of one change in several documents is so stored together or not at all.
   */
  readonly follows?: boolean | undefined
  /** Where the content begins that it belongs to, as load() tells; 0 by default. Left out where that begins elsewhere now. */
  readonly epoch?: number | undefined
  /** The document begins anew with this update: rows before it are history alone. */
  readonly resets?: boolean | undefined
}

/**
 * The archive of a room as its writer knew it: none of the update's messages of that room has an id that is in it, and
 * `lastSeq` is the highest `seq` in it, 0 when it is empty; undefined where that doesn't matter.
 */
export interface ExpectedRoom {
  readonly room: string
  readonly lastSeq: number | undefined
}

/** The last position of the update's document as its writer knew it; 0 for one that has nothing. */
export interface ExpectedPosition {
  readonly position: number
}

export interface ListOptions {
  readonly prefix?: string
  readonly after?: string
  readonly limit: number
  readonly deleted?: boolean
}

export type Undeleted = 'restored' | 'erased' | 'not-deleted'

export interface LogRow {
  readonly position: number
  readonly at: number
  readonly author: string
  readonly data: Uint8Array
  /** Of a document that was reset: where its content begins, as of when the row was read. */
  readonly epoch?: number | undefined
}

/** What a document is made of now: apply `parts` in order, in one transaction. */
export interface StoredDocument {
  /** The last position in `parts`; 0 for a document that has none. */
  readonly position: number
  /** The position of the snapshot that is the first part; 0 when there is none and all parts are updates. */
  readonly snapshot: number
  /** The position of the update that the content begins with, once the document was reset; 0 otherwise. */
  readonly epoch: number
  /** The newest snapshot, if there is one, then each update after it, from `epoch` on. Views on one piece of memory. */
  readonly parts: readonly Uint8Array[]
  /** The state vector of the snapshot, if it is known that nothing in it waits for updates that have not come. */
  readonly vector?: Uint8Array | undefined
  /** Yjs client id → the user it belongs to. */
  readonly clients: ReadonlyMap<number, string>
  /** Those of them that were claimed before `epoch`: nobody may write with them, or come with what they wrote. */
  readonly retired: ReadonlySet<number>
  /** Set for a deleted document, which shows nothing else of itself. */
  readonly deleted?: Deletion | undefined
}

export interface DocumentSummary {
  readonly name: string
  readonly position: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly deleted?: Deletion | undefined
}

/** What delete() is given. */
export interface NewDeletion {
  readonly at: number
  readonly by: string
  readonly events?: readonly NewEvent[]
}

/** When and by whom a document was deleted. */
export interface Deletion {
  /** ms since 1970. */
  readonly at: number
  /** The user who deleted it; '' for the server itself. */
  readonly by: string
  /** Whether its content is gone, or going: it can't be restored. */
  readonly isErased: boolean
}

/** In place of a position, for a deleted document. */
export const DELETED = -1

/** One thing that `check` found wrong. */
export interface Damage {
  /** The document, or undefined when it is the file that is damaged. */
  readonly document: string | undefined
  readonly position: number | undefined
  readonly problem: string
}

/**
 * The update log: each document's Yjs updates, in the order they were committed.
 *
 * For appending updates and reading them back. Not for deciding when to write (server/documents/durability.ts)
 * and not for awareness, which is never stored.
 *
 * Every implementation passes the suite in test/persistence/update-log-contract.ts.
 */
export interface UpdateLog {
  /**
   * Which database this is: the same for everybody who has it open, and different for any other but copies of it, such
   * as a restored backup.
   */
  readonly id: string

  /** The archive of chats. */
  readonly messages: MessageStore

  /** The positions that have names. */
  readonly versions: VersionStore

  /** Up to where users have seen documents. */
  readonly seen: SeenStore

  /** The end of old history. */
  readonly retention: Retention

  /** Who is told of messages through the push service of their browser, and what is still to be told. */
  readonly pushes: PushStore

  /** What happened by updates, for who is told of it later. */
  readonly events: EventStore

  /** What documents say, to search in. */
  readonly texts: TextIndex
  /** Where products are told of events, and of which they still are to be. */
  readonly webhooks: WebhookStore

  /** What admins do, and whom they keep from what. */
  readonly admin: AdminStore

  /** What is kept of people. */
  readonly people: PeopleStore

  /**
   * Commits a batch in one transaction and resolves with the position of each update, in the batch's order.
   * Once resolved, the whole batch survives a power cut. After a rejection, all or none of it is stored: append
   * it again, since applying an update twice changes nothing. Positions count 1, 2, 3 … for each document, in
   * commit order, without gaps, and a reader never sees a position before the ones below it, also with several
   * processes writing. An empty batch writes and commits too: it tells whether storage takes writes.
   *
   * An update of a deleted document is left out, with its `messages`, `events` and `clients`, and so is one whose `epoch`
   * isn't the document's, or that wants another position to be the last one (`after`).
   *
   * Some updates may be left out, each with its `messages`, `events` and `clients`, while the rest of the batch is stored: one with
   * `clients`, when one of them belongs to another user of that document than its `author`, with all updates of that
   * document behind it in the batch, which may build on it; one that `expects` a room, or its document, to be as it is not; and one that
   * `follows` an update that is left out. The position of what was left out is 0. The first two look at what is committed,
   * by anybody, and at what the updates before it in the batch stored. So of several writers who expect the same, one has
   * its update stored, and the others read again and make theirs anew.
   * Appended again after a rejection, an update with `expects` gets 0 also if it was stored the first time: who gets 0
   * knows that it isn't as expected, not why. One with `clients` alone is stored again, as its author has them.
   *
   * An update's `messages` are stored with it: a message that the archive has is replaced. Within a room `seq` and `id`
   * are each taken once, by whoever comes first; a message that has one of them and not the other is left out, since
   * an append can't be refused for what a client chose as an id. With ANY_SEQ the log finds the place, so that a message
   * can be stored in a room of which nothing was read.
   * @throws {StorageError} `storage/full`, `storage/unavailable`, `storage/corrupt`, `storage/missing`,
   * `storage/closed`
   */
  append(batch: readonly NewUpdate[]): Promise<number[]>

  /**
   * The document as committed now; empty for an unknown one, and for a deleted one, which it says. Costs the newest snapshot plus the tail behind it.
   * @throws {StorageError} `storage/corrupt` (naming document and position), `storage/key`, `storage/closed`
   */
  load(document: string): Promise<StoredDocument>

  /**
   * Rows with a position above `after` and at most `until`, lowest first; none for an unknown document. Memory stays
   * bounded, and what is appended after the first row was asked for is not waited for.
   * @throws {StorageError} as load()
   * @throws {CoweaveError} `history/forgotten` where `after` is below the position up to which rows are forgotten; the
   * message tells it. Also on the way, if that moves past what was read. See Retention.historyBase()
   */
  read(document: string, after: number, until?: number): AsyncIterable<LogRow>

  /**
   * The last committed position of each of these documents, in their order; 0 for an unknown one, DELETED for a deleted
   * one. Costs a look-up in an
   * index for each, all in one go, so that it may be asked for thousands.
   * @throws {StorageError} `storage/corrupt`, `storage/closed`
   */
  positions(documents: readonly string[]): Promise<number[]>

  /** Where the content of a document begins, as load() tells it; 0 unless it was reset. @throws {StorageError} as load() */
  epoch(document: string): Promise<number>

  /**
   * False if nobody has committed anything to this database since this was last asked of this log. True otherwise, and
   * also where that can't be told at less than the price of positions(). For one asker.
   * @throws {StorageError} `storage/closed`
   */
  hasChanged(): Promise<boolean>

  /**
   * Who each Yjs client id of a document belongs to, and since which position: those claimed at positions above
   * `after`, in any order. Only where all of them are read can one that is missing be noticed.
   * @throws {StorageError} as load()
   */
  claims(document: string, after?: number): Promise<readonly ClientClaim[]>

  /**
   * Documents whose name starts with `prefix`, ordered by name (by bytes), from the first behind `after`: those that are
   * not deleted or, with `deleted`, those that are.
   */
  documents(options: ListOptions): Promise<DocumentSummary[]>

  /**
   * Deletes a document, and with it the chat beside it: `append` leaves out what comes for them, `load` and `positions`
   * say that they are deleted. Nothing of them is lost; read(), claims() and `messages` still give what they hold. Also for
   * an unknown document, so that nobody brings it. Answers with the deletion, which is the earlier one where there is one;
   * otherwise `events` are stored with it.
   * @throws {StorageError} as append()
   */
  delete(document: string, deletion: NewDeletion): Promise<Deletion>

  /**
   * Takes back the deletion of a document and of the chat beside it. `erased` when it is too late for that.
   * @throws {StorageError} as append()
   */
  undelete(document: string): Promise<Undeleted>

  /**
   * Erases a deleted document with the chat beside it: rows, snapshots, claims, texts and archived messages. Only its name, its
   * times and its deletion stay. In many small transactions that delay no edit; after an interruption the same call, of
   * any process, goes on. Resolves with whether the document is deleted, and so erased now.
   * @throws {StorageError} as append()
   */
  erase(document: string): Promise<boolean>

  /**
   * Forgets that an erased document was deleted, so that its name may be used anew. Resolves with whether it was erased.
   * @throws {StorageError} as append()
   */
  free(document: string): Promise<boolean>

  /**
   * Documents that were deleted at `before` or earlier and are not erased, and those of which erasing was interrupted,
   * the first deleted first. Without those of chats, which go with them.
   */
  erasable(options: { readonly before: number; readonly limit: number }): Promise<string[]>

  /**
   * Writes a snapshot of the document, made from the log alone. It happens by itself once the tail outweighs the
   * last snapshot, beside reads and writes and without delaying them; this asks for it now. Resolves with the
   * snapshot's position, 0 for a document without rows. The rows behind a snapshot stay.
   * @throws {StorageError} as load()
   */
  compact(document: string): Promise<number>

  /**
   * Reads everything and reports each damaged part: the file's first, then document by document, each oldest first.
   * Writes nothing, and does not delay reads and writes.
   */
  check(): AsyncIterable<Damage>

  /**
   * Writes a consistent copy to a new file while reads and writes go on; the file appears once it is whole, verified
   * and on disk. To restore an SQLite log: stop the server, move the database and its `-wal` and `-shm` files away (a
   * left-over `-wal` would be applied to the copy), put the backup in the database's place and start. The marker
   * stays, for the backup carries the same database id; on another machine a new marker is made.
   * @throws {StorageError}
   * @throws {CoweaveError} `backup/unsupported` for a log in Postgres, which makes its own: the message names pg_dump
   */
  backup(file: string): Promise<void>

  /** Waits for calls under way, then closes. Later calls reject with `storage/closed`; closing again is no error. */
  close(): Promise<void>
}
