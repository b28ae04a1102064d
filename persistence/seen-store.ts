/** Up to where a user has seen a document, and since when. */
export interface Seen {
  readonly user: string
  readonly position: number
  readonly at: number
}

/**
 * Up to where users have seen documents. Part of the update log (update-log.ts), whose calls these reject as.
 *
 * Every implementation passes the suite in test/persistence/seen-store-contract.ts.
 */
export interface SeenStore {
  /**
   * Up to where a user has seen a document; undefined for never.
   * @throws {StorageError} `storage/corrupt` (naming document and user), `storage/closed`
   */
  find(document: string, user: string): Promise<Seen | undefined>

  /**
   * Up to where users have seen a document, ordered by the bytes of their ids, from the first behind `after`.
   * @throws {StorageError} as find()
   */
  list(document: string, options: { readonly after?: string; readonly limit: number }): Promise<Seen[]>

  /**
   * Notes up to where users have seen a document. Who has seen more already is left as they are, which costs no write, and
   * so is everybody for an unknown document.
   */
  raise(document: string, seen: readonly Seen[]): Promise<void>
}
