import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { DecodedUpdate } from './check-update.ts'

export const DOCUMENT_RESET = 'document/reset'

/**
 * The Yjs client ids that a document had before it was reset. Its content has others since, so that whoever comes with
 * one of these has a copy of what it was before: merged, that would all come back.
 */
export class RetiredClients {
  readonly #clients: ReadonlySet<number>

  constructor(clients: ReadonlySet<number>) {
    this.#clients = clients
  }

  /** @throws {AccessError} `document/reset`  @throws {Error} when the state vector can't be decoded */
  refuseReplica(document: string, stateVector: Uint8Array): void {
    if (this.#clients.size === 0) return
    for (const client of Y.decodeStateVector(stateVector).keys()) if (this.#clients.has(client)) throw isReset(document)
  }

  /** @throws {AccessError} `document/reset` for one that writes, deletes or builds on what was there before */
  refuseUpdate(document: string, { structs, ds }: DecodedUpdate): void {
    if (this.#clients.size === 0) return
    for (const client of ds.clients.keys()) if (this.#clients.has(client)) throw isReset(document)
    for (const struct of structs) {
      const references =
        struct instanceof Y.Item ? [struct.id, struct.origin, struct.rightOrigin, struct.parent] : [struct.id]
      if (references.some((reference) => reference instanceof Y.ID && this.#clients.has(reference.client)))
        throw isReset(document)
    }
  }
}

export function isReset(document: string): AccessError {
  const problem = `${document} was reset: open it with a new Y.Doc, without what was kept of it`
  return new AccessError(DOCUMENT_RESET, CloseCode.Reset, problem)
}
