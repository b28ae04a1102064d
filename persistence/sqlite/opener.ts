import type { Database } from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'
import { openForWriting } from './database.ts'
import { packText } from './plain-replies.ts'
import { type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { toStorageError } from './sqlite-errors.ts'

const TABLES = [
  'meta',
  'documents',
  'updates',
  'packs',
  'clients',
  'snapshots',
  'snapshot_parts',
  'messages',
  'push_subscriptions',
  'pushes',
  'versions',
  'seen',
  'text_states',
  'texts',
]

/** The thread that opens the database first: creates or migrates it, looks it over, and answers with its id. */
export function openOpener(settings: WorkerSettings): Role {
  const { db, databaseId } = openForWriting(settings)
  return {
    handle(request) {
      if (request.kind !== 'create') return unexpectedRequest('opener', request)
      lookOver(db)
      return packText(databaseId)
    },
    close() {
      db.close()
    },
  }
}

/**
 * A quick look, since everything else is verified when it is read. The table of documents is read whole: where its
 * index is damaged, a document would seem not to be there, and that must never look like an empty one.
 */
function lookOver(db: Database): void {
  try {
    for (const table of TABLES) {
      db.prepare(`SELECT * FROM ${table} LIMIT 1`).get()
      db.prepare(`SELECT * FROM ${table} ORDER BY 1 DESC LIMIT 1`).get() // by key: straight to the last page
    }
    for (const table of ['documents', 'snapshots']) {
      const found = String(db.pragma(`integrity_check(${table})`, { simple: true }))
      if (found !== 'ok') throw new StorageError('storage/corrupt', `${db.name} is damaged: ${found}`)
    }
  } catch (error) {
    throw toStorageError(error, `${db.name}: looking it over`)
  }
}
