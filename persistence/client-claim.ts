import { checksum } from './checksum.ts'
import type { DocumentKey } from './document-record.ts'
import { StorageError } from './storage-error.ts'

/** Who a Yjs client id belongs to in a document, and since which position. */
export interface ClientClaim {
  readonly client: number
  readonly user: string
  readonly position: number
}

export function claimChecksum(documentId: number, { client, user, position }: ClientClaim): number {
  return checksum([documentId, client, position], user)
}

/**
 * Verifies a document's claims: rows of client, user, position, checksum.
 * @throws {StorageError} `storage/corrupt`, naming the document
 */
export function parseClaims(
  document: DocumentKey & { readonly clients: number },
  rows: Iterable<readonly unknown[]>,
): Map<number, ClientClaim> {
  const claims = new Map<number, ClientClaim>()
  for (const [client, user, position, sum] of rows) {
    if (typeof client === 'number' && typeof user === 'string' && typeof position === 'number') {
      const claim = { client, user, position }
      if (claimChecksum(document.id, claim) === sum) {
        claims.set(client, claim)
        continue
      }
    }
    throw new StorageError('storage/corrupt', `${document.name}: bad checksum of client ${client} in clients`)
  }
  if (claims.size === document.clients) return claims
  const message = `${document.name}: clients holds ${claims.size} rows instead of ${document.clients}`
  throw new StorageError('storage/corrupt', message)
}

/** Yjs client id → user. */
export function owners(claims: ReadonlyMap<number, ClientClaim>): Map<number, string> {
  return new Map([...claims.values()].map(({ client, user }) => [client, user]))
}
