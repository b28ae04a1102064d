import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { Principal } from '../access/grants.ts'

interface PendingDocument {
  readonly since: number
  /** Whether its token has come, which is being checked, or its document loaded. */
  isOpening: boolean
  /** Whose token that is, once it was found good. */
  principal: Principal | undefined
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

  get isEmpty(): boolean {
    return this.#documents.size === 0
  }

  /** How many have sent their token. */
  get opening(): number {
    let count = 0
    for (const { isOpening } of this.#documents.values()) if (isOpening) count += 1
    return count
  }

  /** Those whose token was found good. */
  get admitted(): readonly { readonly key: string; readonly principal: Principal }[] {
    return [...this.#documents].flatMap(([key, { principal }]) => (principal === undefined ? [] : [{ key, principal }]))
  }

  /** Notes whose token it is that came for `key`, if that waits still. */
  admit(key: string, principal: Principal): void {
    const document = this.#documents.get(key)
    if (document !== undefined) document.principal = principal
  }

  /** Notes that the token of `key` has come. Returns whether one is being checked already. @throws {AccessError} */
  open(key: string): boolean {
    const document = this.#get(key)
    const already = document.isOpening
    document.isOpening = true
    return already
  }

  /** Whether a message of `key` that `matches` waits. */
  has(key: string, matches: (message: Uint8Array) => boolean): boolean {
    return this.#documents.get(key)?.messages.some(matches) ?? false
  }

  /** Takes the first message of `key` that `matches` out of those that wait. Returns whether there was one. */
  remove(key: string, matches: (message: Uint8Array) => boolean): boolean {
    const messages = this.#documents.get(key)?.messages ?? []
    const index = messages.findIndex(matches)
    if (index === -1) return false
    this.#bytes -= messages[index]?.length ?? 0
    messages.splice(index, 1)
    return true
  }

  /** Whether the token of `key` has come and its document is not open yet. */
  isOpening(key: string): boolean {
    return this.#documents.get(key)?.isOpening === true
  }

  /** Keeps a message until `key` is open. @throws {AccessError} `connection/too-many-documents`, `connection/too-much-waits` */
  keep(key: string, message: Uint8Array): void {
    const { messages, isOpening } = this.#get(key)
    this.#bytes += message.length
    if (this.congested && !isOpening) {
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
    for (const [key, { since, isOpening }] of this.#documents) if (!isOpening && since < deadline) this.take(key)
  }

  #get(key: string): PendingDocument {
    let document = this.#documents.get(key)
    if (document === undefined) {
      if (this.#documents.size >= this.#maxDocuments) {
        const message = `more than ${this.#maxDocuments} documents wait for authentication`
        throw new AccessError('connection/too-many-documents', CloseCode.TooMany, message)
      }
      document = { since: Date.now(), isOpening: false, principal: undefined, messages: [] }
      this.#documents.set(key, document)
    }
    return document
  }
}
