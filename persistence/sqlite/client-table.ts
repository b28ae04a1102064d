import type { Database } from 'better-sqlite3'
import { type ClientClaim, claimChecksum, parseClaims } from '../client-claim.ts'
import type { DocumentKey } from '../document-record.ts'

/** The client ids that one update claims for its author. */
export interface NewClaims {
  readonly clients: readonly number[]
  readonly user: string
  readonly position: number
}

/**
 * Returns a function that claims client ids for a user, who may have some of them already; call it inside a transaction.
 * It answers how many were nobody's, and undefined if one is somebody else's: then it has claimed none.
 */
export function clientClaimer(db: Database): (document: DocumentKey, claims: NewClaims) => number | undefined {
  const insert = db.prepare<[number, number, string, number, number]>(
    'INSERT OR IGNORE INTO clients (document, client, user, position, checksum) VALUES (?, ?, ?, ?, ?)',
  )
  // Not verified: a damaged claim is found where the document is loaded, and must not fail everybody's commit.
  const findOwner = db
    .prepare<[number, number], unknown>('SELECT user FROM clients WHERE document = ? AND client = ?')
    .pluck()
  const remove = db.prepare<[number, number]>('DELETE FROM clients WHERE document = ? AND client = ?')
  return (document, { clients, user, position }) => {
    const claimed: number[] = []
    for (const client of clients) {
      const sum = claimChecksum(document.id, { client, user, position })
      if (insert.run(document.id, client, user, position, sum).changes === 1) claimed.push(client)
      else if (findOwner.get(document.id, client) !== user) {
        for (const own of claimed) remove.run(document.id, own)
        return undefined
      }
    }
    return claimed.length
  }
}

/** Returns a function that reads a document's claims above the position `after`, each one verified. */
export function claimReader(
  db: Database,
): (document: DocumentKey & { readonly clients: number }, after: number) => ClientClaim[] {
  const select = db
    .prepare<[number, number], unknown[]>(
      'SELECT client, user, position, checksum FROM clients WHERE document = ? AND position > ?',
    )
    .raw()
  return (document, after) => parseClaims(document, after, select.iterate(document.id, after))
}
