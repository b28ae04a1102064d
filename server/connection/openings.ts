import type * as decoding from 'lib0/decoding'
import { CloseCode } from '../../model/close-codes.ts'
import { documentNameProblem } from '../../model/document-name.ts'
import { AccessError } from '../access/access-error.ts'
import { allows, type Principal } from '../access/grants.ts'
import { levelToChange } from '../access/levels.ts'
import type { Config } from '../config.ts'
import type { Documents } from '../documents/documents.ts'
import { type Dialect, documentOfKey, type Message, readToken } from './dialect.ts'
import type { EarlyAnswer } from './early-answer.ts'
import { EarlyAnswers } from './early-answers.ts'
import type { Egress } from './egress.ts'
import { MessageType, permissionDeniedFrame } from './frames.ts'
import type { Admitted, Opener, Opening } from './opener.ts'
import { PendingDocuments } from './pending-documents.ts'

const MAX_KEY_LENGTH = 512

export interface OpeningsOptions {
  readonly client: Opening
  readonly config: Config
  readonly dialect: Dialect
  readonly egress: Egress
  readonly opener: Opener
  readonly documents: Pick<Documents, 'arriving'>
  /** Whether the client may only read. */
  readonly isSchemaOld: boolean
  readonly onFailure: (key: string, error: unknown) => void
}

/** What came for a document until it was open, or denied. */
export interface Arrived {
  readonly messages: readonly Uint8Array[]
  /** What the client has been given of the document already. */
  readonly early: EarlyAnswer | undefined
}

/**
 * The documents of one connection that are not open yet: has each opened once its token came, keeps what comes meanwhile,
 * and gives a client that has nothing what is stored.
 */
export class Openings {
  readonly #options: OpeningsOptions
  readonly #pending: PendingDocuments
  #early: EarlyAnswers | undefined

  constructor(options: OpeningsOptions) {
    const { MAX_UNAUTHENTICATED_DOCUMENTS, MAX_UNAUTHENTICATED_BYTES } = options.config
    this.#options = options
    this.#pending = new PendingDocuments(MAX_UNAUTHENTICATED_DOCUMENTS, MAX_UNAUTHENTICATED_BYTES)
  }

  get isEmpty(): boolean {
    return this.#pending.isEmpty
  }

  /** Whether so much waits that nothing more should be read before a document is open. */
  get congested(): boolean {
    return this.#pending.congested
  }

  /** Whose tokens were good, for which documents. */
  get admitted(): Iterable<{ readonly document: string; readonly principal: Principal }> {
    return this.#pending.admitted.map(({ key, principal }) => ({ document: documentOfKey(key), principal }))
  }

  /** Opens a document with a token that came in no message. */
  open(key: string, token: string): void {
    this.#pending.open(key)
    void this.#open(key, token)
  }

  /** A message of a document that isn't open; `open` are open. @throws {AccessError} @throws {Error} for a malformed one */
  receive({ key, type, decoder }: Message, data: Uint8Array, open: number): void {
    if (key.length > MAX_KEY_LENGTH) throw new Error('the document name is too long')
    // Stock clients' messages are addressed to an empty session and to none alike: two keys would be one document.
    if (key.endsWith('\0')) throw new Error('the session has no name')
    const problem = documentNameProblem(documentOfKey(key))
    if (type === MessageType.Auth) this.#receiveToken(key, decoder, data, { problem, open })
    else if (problem !== undefined) throw new AccessError('document/bad-name', CloseCode.Malformed, problem)
    // A document that was closed, or never opened: nothing to close. One that is being opened is closed in its turn.
    else if (type !== MessageType.Close || this.#pending.isOpening(key)) {
      this.#pending.keep(key, data)
      if (type === MessageType.Sync) this.#answerEarly(key, this.#early?.asked(key))
    }
  }

  /** The token of a document was good. */
  admit(key: string, principal: Principal): void {
    this.#pending.admit(key, principal)
  }

  /** A client that has nothing yet need not wait for the document. `since` is when its token came, on `performance`. */
  loading(key: string, { level }: Admitted, since: number): void {
    const { dialect, egress, documents, isSchemaOld } = this.#options
    const mayWrite = allows(level, levelToChange(documentOfKey(key))) && !isSchemaOld
    this.#early ??= new EarlyAnswers({ dialect, egress, documents, pending: this.#pending })
    this.#answerEarly(key, this.#early.loading(key, { since, mayWrite }))
  }

  /** A document is open, or denied. */
  take(key: string): Arrived {
    return { messages: this.#pending.take(key), early: this.#early?.take(key) }
  }

  /** Drops documents that have waited for a token since before `deadline`. */
  expire(deadline: number): void {
    this.#pending.expire(deadline)
  }

  #receiveToken(
    key: string,
    decoder: decoding.Decoder,
    data: Uint8Array,
    { problem, open }: { readonly problem: string | undefined; readonly open: number },
  ): void {
    const { dialect, egress, config } = this.#options
    const token = readToken(decoder)
    if (problem !== undefined) {
      egress.traffic.refused('document/bad-name')
      egress.send(permissionDeniedFrame(dialect.addressOf(key), `document/bad-name: ${problem}`), true)
      return
    }
    const { MAX_DOCUMENTS_PER_CONNECTION: max } = config
    if (open + this.#pending.opening >= max) {
      const tooMany = `a connection has at most ${max} documents`
      throw new AccessError('connection/too-many-documents', CloseCode.TooMany, tooMany)
    }
    if (this.#pending.open(key)) this.#pending.keep(key, data)
    else void this.#open(key, token)
  }

  async #open(key: string, token: string): Promise<void> {
    const { opener, client, onFailure } = this.#options
    try {
      await opener.open(client, key, token, performance.now())
    } catch (error) {
      onFailure(key, error)
    }
  }

  #answerEarly(key: string, answering: Promise<void> | undefined): void {
    answering?.catch((error: unknown) => this.#options.onFailure(key, error))
  }
}
