import type { Database } from 'better-sqlite3'
import type { NamedVersion } from '../../model/history.ts'
import { type DocumentKey, hasPosition } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { NewEvent } from '../event-store.ts'
import type { Seen } from '../history-tables.ts'
import { parseSeen, seenChecksum } from '../seen-row.ts'
import { parseVersion, sealVersion, VERSION_COLUMNS } from '../version-row.ts'
import { documentFinder } from './document-table.ts'
import { eventWriter } from './event-table.ts'

/** Returns a function that reads a document's versions, each one verified, the highest position first. */
export function versionReader(db: Database, keys: KeyRing | undefined): (document: DocumentKey) => NamedVersion[] {
  const select = db
    .prepare<[number], unknown[]>(
      `SELECT ${VERSION_COLUMNS} FROM versions WHERE document = ? ORDER BY position DESC, at DESC, id`,
    )
    .raw()
  return (document) => select.all(document.id).map((values) => parseVersion(keys, document, values))
}

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

/** What HistoryTables writes; each in a transaction of its own. */
export function historyWriter(db: Database, keys: KeyRing | undefined) {
  const find = documentFinder(db)
  const upsert = db.prepare<[number, string, number, string, number, string | null, Uint8Array, number]>(
    `INSERT OR REPLACE INTO versions (document, id, position, author, at, key, data, checksum)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const writeEvents = eventWriter(db, keys)
  const select = db
    .prepare<[number, string], unknown[]>(`SELECT ${VERSION_COLUMNS} FROM versions WHERE document = ? AND id = ?`)
    .raw()
  const remove = db.prepare<[number, string]>('DELETE FROM versions WHERE document = ? AND id = ?')
  const raise = db.prepare<[number, string, number, number, number]>(
    `INSERT INTO seen (document, user, position, at, checksum) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (document, user) DO UPDATE SET position = excluded.position, at = excluded.at, checksum = excluded.checksum
     WHERE excluded.position > position`,
  )

  function store(document: DocumentKey, version: NamedVersion): boolean {
    const { id, position, author, at } = version
    const { key, data, checksum } = sealVersion(keys, document, version)
    upsert.run(document.id, id, position, author, at, key, data, checksum)
    return true
  }

  const add = db.transaction((name: string, version: NamedVersion, events: readonly NewEvent[] = []) => {
    const document = find(name)
    if (document === undefined || !hasPosition(document, version.position)) return false
    writeEvents(events)
    return store(document, version)
  })
  const rename = db.transaction((name: string, id: string, newName: string) => {
    const document = find(name)
    const values = document && select.get(document.id, id)
    if (document === undefined || values === undefined) return false
    return store(document, { ...parseVersion(keys, document, values), name: newName })
  })
  const removeVersion = db.transaction((name: string, id: string) => {
    const document = find(name)
    return document !== undefined && remove.run(document.id, id).changes > 0
  })
  const setSeen = db.transaction((name: string, seen: readonly Seen[]) => {
    const document = find(name)
    if (document === undefined) return false
    for (const one of seen) raise.run(document.id, one.user, one.position, one.at, seenChecksum(document, one))
    return true
  })
  return {
    add: add.immediate,
    rename: rename.immediate,
    remove: removeVersion.immediate,
    setSeen: setSeen.immediate,
  }
}
