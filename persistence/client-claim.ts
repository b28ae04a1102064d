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
 * Verifies a document's claims above the position `after`: rows of client, user, position, checksum. All of a document's,
 * from 0, must be as many as it has.
 * @throws {StorageError} `storage/corrupt`, naming the document
 */
export function parseClaims(
  document: DocumentKey & { readonly clients: number },
  after: number,
  rows: Iterable<readonly unknown[]>,
): ClientClaim[] {
  const claims = Array.from(rows, (values) => parseClaim(document, values))
  if (after > 0 || claims.length === document.clients) return claims
  const message = `${document.name}: clients holds ${claims.length} rows instead of ${document.clients}`
  throw new StorageError('storage/corrupt', message)
}

/** Verifies one of these rows. @throws {StorageError} `storage/corrupt`, naming the document */
export function parseClaim(document: DocumentKey, [client, user, position, sum]: readonly unknown[]): ClientClaim {
  if (typeof client === 'number' && typeof user === 'string' && typeof position === 'number') {
    const claim = { client, user, position }
    if (claimChecksum(document.id, claim) === sum) return claim
  }
  throw new StorageError('storage/corrupt', `${document.name}: bad checksum of client ${client} in clients`)
}

/** Yjs client id → user. */
export function owners(claims: Iterable<ClientClaim>): Map<number, string> {
  return new Map(Array.from(claims, ({ client, user }) => [client, user]))
}

/** The client ids that were claimed before a document was reset, and so are nobody's any more. */
export function retiredBefore(epoch: number, claims: Iterable<ClientClaim>): Set<number> {
  return new Set(Array.from(claims).flatMap(({ client, position }) => (position < epoch ? [client] : [])))
}
