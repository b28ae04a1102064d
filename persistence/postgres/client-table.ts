import { type ClientClaim, claimChecksum, parseClaims } from '../client-claim.ts'
import type { DocumentKey } from '../document-record.ts'
import { type Session, toBytes, toText } from './session.ts'
import type { NewRow } from './update-table.ts'

export interface NewClaim extends ClientClaim {
  readonly document: DocumentKey
}

/** Who the client ids belong to that a batch names, as the batch goes on. */
export interface Owners {
  /**
   * Claims a row's client ids for its author, who may have some of them already. Answers how many were nobody's, and
   * undefined if one is somebody else's: then it has claimed none.
   */
  claim(row: NewRow): number | undefined
  /** What was claimed. */
  readonly claims: readonly NewClaim[]
}

/**
 * Looks up who has the client ids of locked documents, each by the index. Not verified: a damaged claim is found where
 * the document is loaded, and must not fail everybody's commit.
 */
export async function findOwners(
  session: Session,
  wanted: readonly { readonly document: DocumentKey; readonly clients: readonly number[] }[],
): Promise<Owners> {
  const pairs = wanted.flatMap(({ document, clients }) => clients.map((client) => [document.id, client] as const))
  const found =
    pairs.length === 0
      ? []
      : await session.rows(
          `SELECT given.document, given.client, c.owner FROM unnest($1::bigint[], $2::bigint[]) AS given (document, client)
           CROSS JOIN LATERAL (
             SELECT owner FROM coweave.clients WHERE document = given.document AND client = given.client LIMIT 1
           ) AS c`,
          [pairs.map(([document]) => document), pairs.map(([, client]) => client)],
        )
  const owners = new Map(found.map(([document, client, owner]) => [`${document} ${client}`, toText(owner)]))
  const claims: NewClaim[] = []
  return {
    claims,
    claim({ document, clients, author, position }) {
      const keyOf = (client: number) => `${document.id} ${client}`
      const free = [...new Set(clients)].filter((client) => !owners.has(keyOf(client)))
      const isOthers = clients.some((client) => (owners.get(keyOf(client)) ?? author) !== author)
      if (isOthers) return undefined
      for (const client of free) {
        owners.set(keyOf(client), author)
        claims.push({ document, client, user: author, position })
      }
      return free.length
    },
  }
}

/** The columns of the table, as arrays. */
export function claimColumns(claims: readonly NewClaim[]): unknown[][] {
  return [
    claims.map(({ document }) => document.id),
    claims.map(({ client }) => client),
    claims.map(({ user }) => toBytes(user)),
    claims.map(({ position }) => position),
    claims.map((claim) => claimChecksum(claim.document.id, claim)),
  ]
}

/** Reads a document's claims above the position `after`, each one verified. @throws {StorageError} as parseClaims() */
export async function readClaims(
  session: Session,
  document: DocumentKey & { readonly clients: number },
  after = 0,
): Promise<ClientClaim[]> {
  const rows = await session.rows(
    'SELECT client, owner, position, checksum FROM coweave.clients WHERE document = $1 AND position > $2',
    [document.id, after],
  )
  return parseClaims(
    document,
    after,
    rows.map(([client, owner, ...others]) => [client, toText(owner), ...others]),
  )
}
