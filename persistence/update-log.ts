/** One Yjs update on its way into the log. */
export interface NewUpdate {
  readonly document: string
  /** When the server took it, ms since 1970. */
  readonly at: number
  /** The user who wrote it; '' for the server itself. */
  readonly author: string
  /** A v1 Yjs update. The log keeps its own copy; the caller may reuse the memory once append() has returned. */
  readonly data: Uint8Array
  /** The Yjs client ids that this update is the first to use: they belong to `author` from now on. */
  readonly clients: readonly number[]
}

export interface LogRow {
  readonly position: number
  readonly at: number
  readonly author: string
  readonly data: Uint8Array
}

/** What a document is made of now: apply `parts` in order, in one transaction. */
export interface StoredDocument {
  /** The last position in `parts`; 0 for a document that has none. */
  readonly position: number
  /** The position of the snapshot that is the first part; 0 when there is none and all parts are updates. */
  readonly snapshot: number
  /** The newest snapshot, if there is one, then each update after it. Views on one piece of memory. */
  readonly parts: readonly Uint8Array[]
  /** Yjs client id → the user it belongs to. */
  readonly clients: ReadonlyMap<number, string>
}

export interface DocumentSummary {
  readonly name: string
  readonly position: number
  readonly createdAt: number
  readonly updatedAt: number
}

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
   * Commits a batch in one transaction and resolves with the position of each update, in the batch's order.
   * Once resolved, the whole batch survives a power cut. After a rejection, all or none of it is stored: append
   * it again, since applying an update twice changes nothing. Positions count 1, 2, 3 … for each document, in
   * commit order, without gaps, and a reader never sees a position before the ones below it, also with several
   * processes writing. An empty batch writes and commits too: it tells whether storage takes writes.
   * @throws {StorageError} `storage/full`, `storage/unavailable`, `storage/corrupt`, `storage/missing`,
   * `storage/closed`
   */
  append(batch: readonly NewUpdate[]): Promise<number[]>

  /**
   * The document as committed now; empty for an unknown one. Costs the newest snapshot plus the tail behind it.
   * @throws {StorageError} `storage/corrupt` (naming document and position), `storage/key`, `storage/closed`
   */
  load(document: string): Promise<StoredDocument>

  /**
   * Rows with a position above `after` and at most `until`, lowest first; none for an unknown document. Memory stays
   * bounded, and what is appended after the first row was asked for is not waited for.
   * @throws {StorageError} as load()
   */
  read(document: string, after: number, until?: number): AsyncIterable<LogRow>

  /** Documents whose name starts with `prefix`, ordered by name (by bytes), from the first behind `after`. */
  documents(options: { prefix?: string; after?: string; limit: number }): Promise<DocumentSummary[]>

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
   */
  backup(file: string): Promise<void>

  /** Waits for calls under way, then closes. Later calls reject with `storage/closed`; closing again is no error. */
  close(): Promise<void>
}
