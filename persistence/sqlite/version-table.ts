import type { Database } from 'better-sqlite3'
import type { NamedVersion } from '../../model/history.ts'
import { type DocumentKey, hasPosition } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { NewEvent } from '../event-store.ts'
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

/** What VersionStore writes; each in a transaction of its own. */
export function versionWriter(db: Database, keys: KeyRing | undefined) {
  const find = documentFinder(db)
  const upsert = db.prepare<[number, string, number, string, number, string | null, Uint8Array, number]>(
    `INSERT OR REPLACE INTO versions (document, id, position, author, at, key, data, checksum)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const writeEvents = eventWriter(db, keys)
  const select = db
    .prepare<[number, string], unknown[]>(`SELECT ${VERSION_COLUMNS} FROM versions WHERE document = ? AND id = ?`)
    .raw()
  const removeRow = db.prepare<[number, string]>('DELETE FROM versions WHERE document = ? AND id = ?')

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
  const remove = db.transaction((name: string, id: string) => {
    const document = find(name)
    return document !== undefined && removeRow.run(document.id, id).changes > 0
  })
  return { add: add.immediate, rename: rename.immediate, remove: remove.immediate }
}
