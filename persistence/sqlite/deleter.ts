import type { Database } from 'better-sqlite3'
import { type DocumentRecord, deletionOf, Erasure, NO_ROWS } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { Undeleted } from '../update-log.ts'
import { changeForgetter, changeNoter } from './change-table.ts'
import { documentFinder, familyReader, recordWriter } from './document-table.ts'
import { eventWriter } from './event-table.ts'
import { packFlag, packText } from './plain-replies.ts'
import type { Request } from './protocol.ts'
import { packDeletion } from './replies.ts'

export type DeletingRequest = Extract<Request, { kind: 'delete' | 'undelete' | 'free' }>

/** Returns a function that marks documents as deleted and takes that back, each time in one transaction. */
export function deleter(
  db: Database,
  keys: KeyRing | undefined,
): (request: DeletingRequest) => Uint8Array<ArrayBuffer> {
  const find = documentFinder(db)
  const familyOf = familyReader(db)
  const save = recordWriter(db)
  const insert = db.prepare<[string, number, number]>(
    `INSERT OR IGNORE INTO documents (name, created_at, updated_at, position, bytes, clients, checksum)
     VALUES (?, ?, ?, 0, 0, 0, 0)`,
  )
  const writeEvents = eventWriter(db, keys)
  const noteChange = changeNoter(db)
  const forgetChange = changeForgetter(db)
  const remove = db.prepare<[number]>('DELETE FROM documents WHERE id = ?')

  function restore(record: DocumentRecord): void {
    // One that was deleted before anything was stored of it.
    if (record.position === 0) remove.run(record.id)
    else {
      save({ ...record, tombstone: undefined })
      noteChange(record, record.position, Date.now())
    }
  }

  function change(request: DeletingRequest): Uint8Array<ArrayBuffer> {
    const { document } = request
    const known = find(document)?.tombstone
    if (request.kind === 'delete') {
      if (known !== undefined) return packDeletion(deletionOf(known))
      const { at, by, events = [] } = request
      const tombstone = { at, by, erasure: Erasure.None }
      if (find(document) === undefined) create(document, at)
      for (const record of familyOf(document)) {
        save({ ...record, tombstone })
        forgetChange(record)
      }
      writeEvents(events)
      return packDeletion(deletionOf(tombstone))
    }
    if (request.kind === 'free') {
      if (known?.erasure !== Erasure.Done) return packFlag(false)
      for (const record of familyOf(document)) remove.run(record.id)
      return packFlag(true)
    }
    if (known === undefined) return packText('not-deleted' satisfies Undeleted)
    if (known.erasure !== Erasure.None) return packText('erased' satisfies Undeleted)
    familyOf(document).forEach(restore)
    return packText('restored' satisfies Undeleted)
  }

  function create(name: string, at: number): void {
    const id = Number(insert.run(name, at, at).lastInsertRowid)
    save({ id, name, createdAt: at, updatedAt: at, ...NO_ROWS, tombstone: undefined })
  }

  return db.transaction(change).immediate
}
