import { randomUUID } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { type KeyCheck, verifyKeys } from '../key-check.ts'

/** The id that the database was given when it was made; its marker holds the same, see marker.ts. */
export function databaseIdOf(db: Database): string | undefined {
  const found = db.prepare(`SELECT value FROM meta WHERE key = 'database'`).pluck().get()
  return typeof found === 'string' ? found : undefined
}

export function giveDatabaseId(db: Database): string {
  const databaseId = randomUUID()
  writeMeta(db, 'database', databaseId)
  return databaseId
}

/** As verifyKeys() says. @throws {StorageError} `storage/key` */
export function checkKeys(db: Database, keys: KeyRing | undefined, databaseId: string): void {
  const checks = db.prepare<[], KeyCheck>(`SELECT substr(key, 5) AS id, value FROM meta WHERE key LIKE 'key:%'`).all()
  const added = verifyKeys(keys, checks, { databaseId, place: db.name })
  if (added !== undefined) writeMeta(db, `key:${added.id}`, added.value)
}

function writeMeta(db: Database, key: string, value: string | Uint8Array): void {
  db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(key, value)
}
