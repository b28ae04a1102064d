import type { Logger } from 'pino'
import type { OpenDocument } from '../documents/open-document.ts'

export interface CatchUpOptions {
  readonly logger: Logger
  /** Resolves once a document has what other instances have committed until now. @throws {StorageError} */
  readonly catchUp: (document: OpenDocument) => Promise<void>
  readonly receive: (message: Uint8Array, isCaughtUp: boolean) => void
  /** The log can't be read. */
  readonly onFailure: () => void
}

/**
 * One client's messages wait here while a document is brought to what other instances have committed: a client that
 * comes from one of them builds on what it heard there.
 */
export class CatchUp {
  readonly #options: CatchUpOptions
  #held: Uint8Array[] | undefined

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** Keeps a message if those before it wait. Returns whether it did. */
  hold(message: Uint8Array): boolean {
    return this.#held !== undefined && this.#held.push(message) > 0
  }

  /** Has `message` received once `document` has what others have committed until now, and what comes meanwhile behind it. */
  async receiveAfter(document: OpenDocument, message: Uint8Array): Promise<void> {
    const held: Uint8Array[] = []
    this.#held = held
    try {
      await this.#options.catchUp(document)
    } catch (error) {
      this.#warn(document, error)
      this.#options.onFailure()
      return
    }
    this.#held = undefined
    this.#options.receive(message, true)
    for (const later of held) this.#options.receive(later, false)
  }

  #warn({ name }: OpenDocument, error: unknown): void {
    this.#options.logger.warn({ document: name, error }, 'what others committed could not be read')
  }
}
