import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { ClientRange } from './check-update.ts'

/** In place of the pseudonym of who was erased while the document was open: no user has this id. */
const ERASED = ''

/**
 * Whose Yjs client ids are whose, in one document. An id belongs to the first user that wrote with it; new structs
 * under somebody else's are refused, because a forged one would make the owner's next edit vanish.
 */
export class ClientIds {
  readonly #owners: Map<number, string>

  constructor(owners: ReadonlyMap<number, string>) {
    this.#owners = new Map(owners)
  }

  ownerOf(client: number): string | undefined {
    return this.#owners.get(client)
  }

  /** What a user has belongs to nobody who can have a token. */
  disown(user: string): void {
    for (const [client, owner] of this.#owners) if (owner === user) this.#owners.set(client, ERASED)
  }

  claim(clients: readonly number[], user: string): void {
    for (const client of clients) this.#owners.set(client, user)
  }

  /**
   * Those of the clients in an update (checkUpdate) that it would be the first to use in `document`, for claim() once
   * it is applied.
   * @throws {AccessError} `document/client-id-taken` for new structs under another user's client id
   */
  check(document: Y.Doc, ranges: ReadonlyMap<number, ClientRange>, user: string): number[] {
    const unclaimed: number[] = []
    for (const [client, { end }] of ranges) {
      const owner = this.#owners.get(client)
      if (owner === user || end <= Y.getState(document.store, client)) continue
      if (owner !== undefined) throw clientIdTaken(client)
      unclaimed.push(client)
    }
    return unclaimed
  }
}

export function clientIdTaken(client: number): AccessError {
  return new AccessError(
    'document/client-id-taken',
    CloseCode.ClientIdTaken,
    `the Yjs client id ${client} belongs to another user: open the document with a new Y.Doc`,
  )
}
