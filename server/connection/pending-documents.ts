import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'

interface PendingDocument {
  readonly since: number
  /** When its token came, which is being checked, or its document loaded; on the clock of `performance`. */
  openingSince: number | undefined
  readonly messages: Uint8Array[]
}

/**
 * The documents of one socket that are not open yet, with what arrived for them: clients send their first sync
 * message right behind the token, and all they wrote while offline. Both are bounded, since nobody has vouched for the
 * sender yet: without a token too much is refused; while a token is checked or the document loaded, which ends by
 * itself, no more is read.
 */
export class PendingDocuments {
  readonly #documents = new Map<string, PendingDocument>()
  readonly #maxDocuments: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxDocuments: number, maxBytes: number) {
    this.#maxDocuments = maxDocuments
    this.#maxBytes = maxBytes
  }

  /** Whether so much waits that nothing more should be read before a document is open. */
  get congested(): boolean {
    return this.#bytes > this.#maxBytes
  }

  /** How many have sent their token. */
  get opening(): number {
    let count = 0
    for (const { openingSince } of this.#documents.values()) if (openingSince !== undefined) count += 1
    return count
  }

  /** Notes that the token of `key` has come. Returns whether one is being checked already. @throws {AccessError} */
  open(key: string): boolean {
    const document = this.#get(key)
    const already = document.openingSince !== undefined
    document.openingSince ??= performance.now()
    return already
  }

  /** Whether the token of `key` has come and its document is not open yet. */
  isOpening(key: string): boolean {
    return this.openingSince(key) !== undefined
  }

  /** When the token of `key` came, on the clock of `performance`; undefined if it has not. */
  openingSince(key: string): number | undefined {
    return this.#documents.get(key)?.openingSince
  }

  /** Keeps a message until `key` is open. @throws {AccessError} `connection/too-many-documents`, `connection/too-much-waits` */
  keep(key: string, message: Uint8Array): void {
    const { messages, openingSince } = this.#get(key)
    this.#bytes += message.length
    if (this.congested && openingSince === undefined) {
      throw new AccessError(
        'connection/too-much-waits',
        CloseCode.TooMany,
        `more than ${this.#maxBytes} bytes wait for authentication`,
      )
    }
    messages.push(message)
  }

  /** Ends the waiting of `key` and returns what arrived for it. */
  take(key: string): readonly Uint8Array[] {
    const messages = this.#documents.get(key)?.messages ?? []
    for (const message of messages) this.#bytes -= message.length
    this.#documents.delete(key)
    return messages
  }

  /** Drops documents that have waited for a token since before `deadline`. */
  expire(deadline: number): void {
    for (const [key, { since, openingSince }] of this.#documents) {
      if (openingSince === undefined && since < deadline) this.take(key)
    }
  }

  clear(): void {
    this.#documents.clear()
    this.#bytes = 0
  }

  #get(key: string): PendingDocument {
    let document = this.#documents.get(key)
    if (document === undefined) {
      if (this.#documents.size >= this.#maxDocuments) {
        const message = `more than ${this.#maxDocuments} documents wait for authentication`
        throw new AccessError('connection/too-many-documents', CloseCode.TooMany, message)
      }
      document = { since: Date.now(), openingSince: undefined, messages: [] }
      this.#documents.set(key, document)
    }
    return document
  }
}
