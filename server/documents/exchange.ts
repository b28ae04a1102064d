import type { Document } from '@hocuspocus/server'
import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { Access } from '../access/access.ts'
import { AccessError } from '../access/access-error.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Documents } from './documents.ts'
import type { Durability } from './durability.ts'
import type { Author } from './guard.ts'
import type { OpenDocument } from './open-document.ts'

export interface ExchangeOptions {
  readonly documents: Documents
  readonly durability: Durability
  readonly rooms: Rooms
  /** Resolves once a document has what other instances have committed until now. @throws {StorageError} */
  readonly catchUp: (document: OpenDocument) => Promise<void>
  /** Whether who was let in may still write: what comes takes its time. */
  readonly access: Access
}

/** One update in, or one out, for clients that have no channel: with the same rules and the same promise. */
export class Exchange {
  readonly #options: ExchangeOptions

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  /**
   * Takes an update of `author`, who may write, and resolves once it is on disk. It may come again. With `ifAt`, only if
   * the document is as the log has it at that position: what other instances commit in the same moment is merged.
   * @throws {CoweaveError} `document/moved` when it isn't
   * @throws {AccessError} `access/no-grant`, `document/client-id-taken`, `document/malformed-update`, `document/reset`
   * @throws {RefusedError} when the rules of the document forbid it
   * @throws {StorageError} `storage/unavailable` when it could not be stored, as far as is known
   */
  async take(name: string, author: Author, update: Uint8Array, ifAt?: number): Promise<void> {
    const { access } = this.#options
    const mayWrite = () => access.confirm(name, author.principal)
    const isMoved = await this.#withDocument(name, mayWrite, (open) => {
      if (ifAt !== undefined && open.position !== ifAt) return true
      open.receive({ ...author, address: open.address, send() {} }, update, true)
      return false
    })
    // By now the log has what moved it, for whoever reads it again.
    if (isMoved) throw moved(name)
  }

  /**
   * What a replica at `stateVector` lacks of `name`, for `reader`, who may read it.
   * @throws {AccessError} `access/no-grant`, `document/malformed-state-vector`, `document/reset`
   */
  missing(name: string, reader: Author, stateVector: Uint8Array): Promise<Uint8Array> {
    const mayRead = () => this.#options.access.confirm(name, reader.principal, 'read')
    return this.#withDocument(name, mayRead, (open) => {
      try {
        return open.missingFrom(stateVector)
      } catch (cause) {
        if (cause instanceof AccessError) throw cause
        const problem = 'the state vector can not be decoded'
        throw new AccessError('document/malformed-state-vector', CloseCode.Malformed, problem, { cause })
      }
    })
  }

  /**
   * Resolves with what `use` returned once all that the document held then is committed. It has what others committed
   * before, which the client may have heard of from them.
   */
  #withDocument<T>(name: string, confirm: () => Promise<void>, use: (open: OpenDocument) => T): Promise<T> {
    return this.#options.rooms.withDocument(name, async (document) => {
      await this.#options.catchUp(this.#open(document))
      await confirm()
      const result = use(this.#open(document))
      await this.#options.durability.settled()
      // Given up, when storage failed for too long: then the document was forgotten.
      this.#open(document)
      return result
    })
  }

  #open(document: Document): OpenDocument {
    const open = this.#options.documents.get(document)
    if (open === undefined) throw new StorageError('storage/unavailable', 'storage is not available; try again later')
    return open
  }
}

/** @see Exchange.take */
export function moved(name: string): CoweaveError {
  return new CoweaveError('document/moved', `${name} is not as it was: read it again, or leave out the condition`)
}
