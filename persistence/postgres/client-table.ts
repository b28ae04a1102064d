import { type ClientClaim, claimChecksum, parseClaims } from '../client-claim.ts'
import type { DocumentKey } from '../document-record.ts'
import { type Session, toBytes, toText } from './session.ts'
import type { NewRow } from './update-table.ts'

interface NewClaim extends ClientClaim {
  readonly document: DocumentKey
}

/**
 * Claims the client ids that rows name for their authors; who has one already keeps it. Call it with the documents
 * locked. Returns the new claims.
 */
export async function claimClients(session: Session, rows: readonly NewRow[]): Promise<NewClaim[]> {
  const wanted = new Map<string, NewClaim>()
  for (const { document, clients, author, position } of rows) {
    for (const client of clients) {
      const key = `${document.id} ${client}`
      if (!wanted.has(key)) wanted.set(key, { document, client, user: author, position })
    }
  }
  if (wanted.size === 0) return []
  const claims = [...wanted.values()]
  const inserted = await session.rows(
    `INSERT INTO coweave.clients (document, client, owner, position, checksum)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::int[])
     ON CONFLICT (document, client) DO NOTHING
     RETURNING document, client`,
    [
      claims.map(({ document }) => document.id),
      claims.map(({ client }) => client),
      claims.map(({ user }) => toBytes(user)),
      claims.map(({ position }) => position),
      claims.map((claim) => claimChecksum(claim.document.id, claim)),
    ],
  )
  return inserted.flatMap(([document, client]) => wanted.get(`${document} ${client}`) ?? [])
}

/** Reads a document's claims, each one verified. @throws {StorageError} as parseClaims() */
export async function readClaims(
  session: Session,
  document: DocumentKey & { readonly clients: number },
): Promise<Map<number, ClientClaim>> {
  const rows = await session.rows('SELECT client, owner, position, checksum FROM coweave.clients WHERE document = $1', [
    document.id,
  ])
  return parseClaims(
    document,
    rows.map(([client, owner, ...others]) => [client, toText(owner), ...others]),
  )
}
