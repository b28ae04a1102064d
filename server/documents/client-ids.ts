import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'

/** A client's newest clock in an update: its structs end before `end`. */
interface ClientRange {
  readonly client: number
  readonly end: number
}

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

  claim(clients: readonly number[], user: string): void {
    for (const client of clients) this.#owners.set(client, user)
  }

  /**
   * The client ids that `update` would be the first to use in `document`, for claim() once it is applied.
   * @throws {AccessError} `document/client-id-taken` for new structs under another user's client id
   * @throws {Error} when the update can't be decoded
   */
  check(document: Y.Doc, update: Uint8Array, user: string): number[] {
    const only = onlyClient(update)
    if (only !== undefined && this.#owners.get(only) === user) return []
    const unclaimed: number[] = []
    for (const { client, end } of clientRanges(update)) {
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

/** The client of an update that holds structs of just one: the usual case, told by its first numbers alone. */
function onlyClient(update: Uint8Array): number | undefined {
  const decoder = decoding.createDecoder(update)
  if (decoding.readVarUint(decoder) !== 1) return undefined
  const structs = decoding.readVarUint(decoder)
  // Yjs allocates room for as many structs as announced: an update can't hold more than it has bytes.
  if (structs > update.length) throw new Error(`an update of ${update.length} bytes can't hold ${structs} structs`)
  return decoding.readVarUint(decoder)
}

function clientRanges(update: Uint8Array): ClientRange[] {
  const { to } = Y.parseUpdateMeta(update)
  // Of a client that comes twice, applying takes the last structs alone, and merging all of them.
  if (decoding.readVarUint(decoding.createDecoder(update)) !== to.size) throw new Error('an update with a client twice')
  return Array.from(to, ([client, end]) => ({ client, end }))
}
