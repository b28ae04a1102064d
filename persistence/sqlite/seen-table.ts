import type { Database } from 'better-sqlite3'
import type { DocumentKey } from '../document-record.ts'
import { parseSeen, seenChecksum } from '../seen-row.ts'
import type { Seen } from '../seen-store.ts'
import { documentFinder } from './document-table.ts'

/** Returns a function that reads what users have seen of a document, by user, from the first behind `after`. */
export function seenReader(
  db: Database,
): (document: DocumentKey, page: { readonly after: string; readonly limit: number }) => Seen[] {
  const select = db
    .prepare<[number, string, number], unknown[]>(
      'SELECT user, position, at, checksum FROM seen WHERE document = ? AND user > ? ORDER BY user LIMIT ?',
    )
    .raw()
  return (document, { after, limit }) =>
    select.all(document.id, after, limit).map((values) => parseSeen(document, values))
}

/** Returns a function that reads what one user has seen of a document. */
export function seenFinder(db: Database): (document: DocumentKey, user: string) => Seen | undefined {
  const select = db
    .prepare<[number, string], unknown[]>(
      'SELECT user, position, at, checksum FROM seen WHERE document = ? AND user = ?',
    )
    .raw()
  return (document, user) => {
    const values = select.get(document.id, user)
    return values === undefined ? undefined : parseSeen(document, values)
  }
}

/** Returns a function that notes, in one transaction, what users have seen; false for an unknown document. */
export function seenWriter(db: Database): (name: string, seen: readonly Seen[]) => boolean {
  const find = documentFinder(db)
  const raise = db.prepare<[number, string, number, number, number]>(
    `INSERT INTO seen (document, user, position, at, checksum) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (document, user) DO UPDATE SET position = excluded.position, at = excluded.at, checksum = excluded.checksum
     WHERE excluded.position > position`,
  )
  return db.transaction((name: string, seen: readonly Seen[]) => {
    const document = find(name)
    if (document === undefined) return false
    for (const one of seen) raise.run(document.id, one.user, one.position, one.at, seenChecksum(document, one))
    return true
  }).immediate
}
