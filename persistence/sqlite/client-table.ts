import type { Database } from 'better-sqlite3'
import { type ClientClaim, claimChecksum, parseClaims } from '../client-claim.ts'
import type { DocumentKey } from '../document-record.ts'

/** Returns a function that claims a client id for a user; false if it is somebody's already, who keeps it. */
export function clientClaimer(db: Database): (document: DocumentKey, claim: ClientClaim) => boolean {
  const insert = db.prepare<[number, number, string, number, number]>(
    'INSERT OR IGNORE INTO clients (document, client, user, position, checksum) VALUES (?, ?, ?, ?, ?)',
  )
  return (document, claim) => {
    const { client, user, position } = claim
    return insert.run(document.id, client, user, position, claimChecksum(document.id, claim)).changes === 1
  }
}

/** Returns a function that reads a document's clients, each one verified. */
export function clientReader(
  db: Database,
): (document: DocumentKey & { readonly clients: number }) => Map<number, ClientClaim> {
  const select = db
    .prepare<[number], unknown[]>('SELECT client, user, position, checksum FROM clients WHERE document = ?')
    .raw()
  return (document) => parseClaims(document, select.iterate(document.id))
}
