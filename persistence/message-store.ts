/** In place of a `seq`, for who doesn't know it: that of the message of the same id, or the next one in the room. */
export const ANY_SEQ = 0

/** A chat message in the archive. */
export interface ArchivedMessage {
  /** The name of its room, which is that of the room's head. */
  readonly room: string
  /** Its place in the room, from 1; on its way into the archive, also ANY_SEQ. */
  readonly seq: number
  readonly id: string
  /** The whole message as JSON, a `ChatMessage` (model/chat.ts). Text, since whoever asks mostly hands it on. */
  readonly json: string
}

export interface SearchOptions {
  /** The only room to look in. */
  readonly room?: string
  readonly except?: readonly string[]
  /** What the page before named as `next`. */
  readonly before?: number
  readonly limit: number
}

/** What a search found, newest first. */
export interface FoundMessages {
  readonly messages: readonly ArchivedMessage[]
  /** What to give as `before` to go on; undefined when there is nothing more. */
  readonly next: number | undefined
}

/** A page of the archive. */
export interface ArchivePage {
  readonly messages: readonly ArchivedMessage[]
  /** What to give as `after` to go on; undefined when there is nothing more. */
  readonly next: number | undefined
}

/**
 * The archive of chats, to read and to search in. Part of the update log (update-log.ts): messages come into it with the
 * updates that make them, see UpdateLog.append().
 *
 * Every implementation passes the suites in test/persistence/update-log-contract.ts and message-search-contract.ts.
 */
export interface MessageStore {
  /**
   * The newest `limit` messages of a chat room with a `seq` below `before`, lowest first; none for an unknown room.
   * @throws {StorageError} `storage/corrupt` (naming room and seq), `storage/key`, `storage/closed`
   */
  list(room: string, options: { readonly before?: number; readonly limit: number }): Promise<ArchivedMessage[]>

  /** The message of that id in a room. @throws {StorageError} as list() */
  find(room: string, id: string): Promise<ArchivedMessage | undefined>

  /**
   * Those of `ids` that messages of a room have. Costs a look-up in an index for each, and reads no message.
   * @throws {StorageError} as list()
   */
  known(room: string, ids: readonly string[]): Promise<Set<string>>

  /**
   * Messages, of one room or all, that hold each word of `query`, the last one also as the beginning of a word; case
   * and accents don't count. What was deleted is not found, nor what an edit took away. `query` is what a person
   * typed: nothing in it has a meaning of its own. Newest first; one call looks at a bounded number of messages, so
   * that it may find fewer than `limit` and still name what comes `next`. The rooms in `except` are left out. It delays
   * no other call but searches.
   * @throws {CoweaveError} `search/encrypted` for a log that encrypts: an index of words would be readable
   * @throws {StorageError} as list()
   */
  search(query: string, options: SearchOptions): Promise<FoundMessages>

  /**
   * The messages of all rooms in the order they came, from the first behind `after`.
   * @throws {StorageError} as list()
   */
  all(options: { readonly after?: number; readonly limit: number }): Promise<ArchivePage>
}
