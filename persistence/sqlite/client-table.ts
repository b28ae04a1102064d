import type { Database } from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'
import { checksum } from './checksum.ts'

type DocumentKey = { readonly id: number; readonly name: string }
type ClientOwners = DocumentKey & { readonly clients: number }

/** Returns a function that claims a client id for a user; false if it is somebody's already, who keeps it. */
export function clientClaimer(
  db: Database,
): (document: DocumentKey, client: number, user: string, position: number) => boolean {
  const insert = db.prepare<[number, number, string, number, number]>(
    'INSERT OR IGNORE INTO clients (document, client, user, position, checksum) VALUES (?, ?, ?, ?, ?)',
  )
  return (document, client, user, position) => {
    const sum = checksum([document.id, client, position], user)
    return insert.run(document.id, client, user, position, sum).changes === 1
  }
}

/** Returns a function that reads a document's clients, each one verified. */
export function clientReader(db: Database): (document: ClientOwners) => Map<number, string> {
  const select = db
    .prepare<[number], unknown[]>('SELECT client, user, position, checksum FROM clients WHERE document = ?')
    .raw()
  return (document) => {
    const clients = new Map<number, string>()
    for (const [client, user, position, sum] of select.iterate(document.id)) {
      const valid =
        typeof client === 'number' &&
        typeof user === 'string' &&
        typeof position === 'number' &&
        checksum([document.id, client, position], user) === sum
      if (!valid) {
        throw new StorageError('storage/corrupt', `${document.name}: bad checksum of client ${client} in clients`)
      }
      clients.set(client, user)
    }
    if (clients.size !== document.clients) {
      const message = `${document.name}: clients holds ${clients.size} rows instead of ${document.clients}`
      throw new StorageError('storage/corrupt', message)
    }
    return clients
  }
}
