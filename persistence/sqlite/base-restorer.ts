import type { Database } from 'better-sqlite3'
import { baseRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { RestoredBase } from '../restorer.ts'
import { newSnapshot, partOf, snapshotChecksum } from '../snapshot-record.ts'
import { clientClaimer } from './client-table.ts'
import { documentFinder, recordWriter } from './document-table.ts'
import { partInserter } from './snapshot-table.ts'

/** Returns a function that makes a document of which rows are forgotten; see Restorer.base(). */
export function baseRestorer(db: Database, keys: KeyRing | undefined): (restored: RestoredBase) => void {
  const find = documentFinder(db)
  const insert = db.prepare<[string]>(
    `INSERT INTO documents (name, created_at, updated_at, position, bytes, clients, checksum)
     VALUES (?, 0, 0, 0, 0, 0, 0)`,
  )
  const save = recordWriter(db)
  const claim = clientClaimer(db)
  const insertSnapshot = db.prepare<[number, number, number, number, number, number, number]>(
    `INSERT INTO snapshots (id, document, position, bytes, log_bytes, parts, complete, checksum)
     VALUES (?, ?, ?, ?, ?, ?, 1, ?)`,
  )
  const addPart = partInserter(db, keys)
  return db.transaction((restored: RestoredBase) => {
    const { name, base, claims } = restored
    if (find(name) !== undefined) return
    const record = baseRecord(Number(insert.run(name).lastInsertRowid), restored)
    save(record)
    for (const { client, user, position } of claims) claim(record, { clients: [client], user, position })
    const snapshot = newSnapshot(base, { state: base.state, vector: undefined })
    const { id, position, bytes, logBytes, parts } = snapshot
    insertSnapshot.run(id, record.id, position, bytes, logBytes, parts, snapshotChecksum(record.id, snapshot))
    for (let part = 0; part < parts; part++) addPart(record, snapshot, part, partOf(base.state, part))
  }).immediate
}
