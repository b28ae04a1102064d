/** What documents say, to search in. */
export interface NewText {
  /** The document, as its claim told it. */
  readonly key: TextKey
  /** Up to which position of its log the text is made. */
  readonly position: number
  /** In UTF-8. */
  readonly text: Uint8Array<ArrayBuffer>
  /** How long nobody makes it anew. */
  readonly restMs: number
}

/** Which document it is, also where another one has its name by now. */
export interface TextKey {
  readonly id: number
  readonly createdAt: number
}

/** What becomes of a claim: the document's text is to be made, or somebody has done it or may be doing it until then. */
export type TextClaim =
  /** `freeForMs` tells how long nobody made it, and the last one rested no more; since 1970 if there was none. */
  | { readonly kind: 'claimed'; readonly key: TextKey; readonly freeForMs: number }
  | { readonly kind: 'current' }
  | { readonly kind: 'wait'; readonly ms: number }

export interface TextSearch {
  /** Names of documents to look at begin with one of these. */
  readonly prefixes: readonly string[]
  /** What the page before named as `next`. */
  readonly before?: TextCursor | undefined
  readonly limit: number
}

/** A place among the hits of a search: by how good they are, and then by their ids. */
export interface TextCursor {
  readonly score: number
  readonly id: number
}

export interface FoundDocument extends TextCursor {
  readonly name: string
  /** The position that the text is of. */
  readonly position: number
  readonly updatedAt: number
}

export interface LaggingPage {
  readonly documents: readonly string[]
  /** What to give as `after` to go on; undefined when there is nothing more. */
  readonly next: number | undefined
}

/** Of a document, in bytes; the rest is not searched. */
export const MAX_TEXT_BYTES = 512 * 1024

/**
 * The texts of documents, and an index of their words. It is derived from the log, as far as somebody has made it: a text
 * is stored with the position that it is of, so that what is older than the log is found again after any interruption.
 * Copies of a log are without it. A log that encrypts has none: each call rejects with `search/encrypted`, since an index
 * of words would be readable.
 *
 * Every implementation passes the suite in test/persistence/text-index-contract.ts. Calls reject as those of UpdateLog.
 */
export interface TextIndex {
  /**
   * Claims to make the text of a document for so long, if it is older than the log: one at a time, whatever the process,
   * and none while the last one rests. For a deleted or unknown document it is current.
   */
  claim(document: string, forMs: number): Promise<TextClaim>

  /** Stores a text, unless there is a newer one or the document is deleted; either ends the claim. */
  put(text: NewText): Promise<void>

  /** A page of documents whose text is older than the log, without rooms and deleted ones. */
  lagging(options: { readonly after: number; readonly limit: number }): Promise<LaggingPage>

  /**
   * Documents, no deleted ones, whose text has each word of `query`, by the rules of MessageStore.search(); the best
   * first: those in which the words stand often, among few others. Of a great many it looks at some only. It delays no
   * other call but searches.
   * @throws {CoweaveError} `search/encrypted`
   */
  search(query: string, search: TextSearch): Promise<FoundDocument[]>

  /**
   * Makes the index of messages' words anew from the archive, with what is copied out of messages to be searched, and
   * throws away all texts of documents and their index, so that all are made anew. Resolves with how many messages it
   * read; damaged ones are left out.
   */
  rebuild(): Promise<number>

  /** The texts of documents that were found, in UTF-8 and in their order; empty for one that is gone. */
  texts(ids: readonly number[]): Promise<Uint8Array<ArrayBuffer>[]>
}
