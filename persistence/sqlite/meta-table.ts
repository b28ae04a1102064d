import { randomUUID } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import { decrypt, encrypt, type KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'

const KEY_CHECK = 'coweave key check'

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

/**
 * Each key leaves a known text encrypted with it, so that a wrong key under a known id, or a key that is gone, is
 * found when the database is opened and not when a document is.
 */
export function checkKeys(db: Database, keys: KeyRing | undefined, databaseId: string): void {
  const checks = db.prepare<[], { id: unknown; value: unknown }>(
    `SELECT substr(key, 5) AS id, value FROM meta WHERE key LIKE 'key:%'`,
  )
  const known = new Set<unknown>()
  for (const { id, value } of checks.all()) {
    known.add(id)
    const key = keys?.find((candidate) => candidate.id === id)
    if (key === undefined) {
      const message = `${db.name} holds data encrypted with the key "${id}", which ENCRYPTION_KEY does not hold`
      throw new StorageError('storage/key', message)
    }
    if (!(value instanceof Uint8Array) || decrypt(key, value, databaseId) === undefined) {
      throw new StorageError('storage/key', `ENCRYPTION_KEY "${id}" is not the key that ${db.name} was written with`)
    }
  }
  const current = keys?.[0]
  if (current === undefined || known.has(current.id)) return
  writeMeta(db, `key:${current.id}`, encrypt(current, Buffer.from(KEY_CHECK), databaseId))
}

function writeMeta(db: Database, key: string, value: string | Uint8Array): void {
  db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(key, value)
}
