import type { Database } from 'better-sqlite3'
import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { Snapshot } from '../snapshot-builder.ts'
import { newSnapshot, partOf, type SnapshotRecord, snapshotChecksum } from '../snapshot-record.ts'
import { partInserter } from './snapshot-table.ts'
import { yielding } from './yielding.ts'

/** Of a row of snapshots: another process may be deleting it as a leftover. */
export const HAS_ALL_PARTS = 'parts = (SELECT count(*) FROM snapshot_parts WHERE snapshot = snapshots.id)'

/**
 * Writes snapshots in parts of 1 MiB, a transaction each, so that the writer never waits long. A snapshot counts from
 * the last, tiny transaction on; that one also turns the older ones into leftovers. Leftovers, of interrupted
 * snapshots too, are deleted part by part. Who finds his own snapshot deleted (by another process that starts and
 * cleans up) gives up; it is made again later.
 */
export class SnapshotWriter {
  readonly #db: Database
  readonly #addPart
  readonly #begin
  readonly #complete
  readonly #replace
  readonly #retire
  readonly #leftovers
  readonly #leftoversOf
  readonly #deletePart
  readonly #deleteSnapshot

  constructor(db: Database, keys: KeyRing | undefined) {
    this.#db = db
    this.#addPart = partInserter(db, keys)
    // Not if the document was erased meanwhile; from here on, erasing it takes this snapshot away.
    this.#begin = db.prepare<
      [number, number, number, number, number, number, Uint8Array | null, number, number, number, number]
    >(
      `INSERT INTO snapshots (id, document, position, bytes, log_bytes, parts, vector, complete, checksum)
       SELECT ?, ?, ?, ?, ?, ?, ?, 0, ?
       WHERE EXISTS (SELECT 1 FROM documents WHERE id = ? AND created_at = ? AND position >= ?)`,
    )
    // Not if another process has a newer one by now: one at `least` or above.
    this.#complete = db.prepare<{ id: number; document: number; least: number }>(
      `UPDATE snapshots SET complete = 1 WHERE id = :id AND ${HAS_ALL_PARTS} AND NOT EXISTS (
         SELECT 1 FROM snapshots WHERE document = :document AND complete = 1 AND position >= :least)`,
    )
    this.#replace = db.prepare<[number, number, number]>(
      'UPDATE snapshots SET complete = 0 WHERE document = ? AND position = ? AND complete = 1 AND id <> ?',
    )
    this.#retire = snapshotRetirer(db)
    this.#leftovers = db.prepare<[], unknown>('SELECT id FROM snapshots WHERE complete = 0').pluck()
    this.#leftoversOf = db
      .prepare<[number], unknown>('SELECT id FROM snapshots WHERE document = ? AND complete = 0')
      .pluck()
    this.#deletePart = db.prepare<[unknown, unknown]>(
      `DELETE FROM snapshot_parts WHERE snapshot = ? AND part =
         (SELECT max(part) FROM snapshot_parts WHERE snapshot = ?)
         AND EXISTS (SELECT 1 FROM snapshots WHERE id = snapshot AND complete = 0)`,
    )
    this.#deleteSnapshot = db.prepare<[unknown]>('DELETE FROM snapshots WHERE id = ? AND complete = 0')
  }

  /**
   * Makes it the document's snapshot, unless another process has made a newer one meanwhile, or one of the same
   * position that it does not replace. Resolves with whether it is.
   */
  async write(document: DocumentRecord, snapshot: Snapshot, isReplacing = false): Promise<boolean> {
    const record = await this.add(document, { position: document.position, logBytes: document.bytes }, snapshot)
    const isPublished = record !== undefined && this.#publish(document, record, isReplacing)
    await this.deleteLeftovers(document.id)
    return isPublished
  }

  /** Writes the parts of a snapshot that doesn't count yet; undefined if the document was erased meanwhile. */
  async add(
    document: DocumentRecord,
    at: Pick<SnapshotRecord, 'position' | 'logBytes'>,
    snapshot: Snapshot,
  ): Promise<SnapshotRecord | undefined> {
    const { state } = snapshot
    const record = newSnapshot(at, snapshot)
    const { id, position, bytes, logBytes, vector = null } = record
    const sum = snapshotChecksum(document.id, record)
    const row = [id, document.id, position, bytes, logBytes, record.parts, vector, sum] as const
    if (this.#begin.run(...row, document.id, document.createdAt, at.position).changes === 0) return undefined
    for (let part = 0; part < record.parts; part++) {
      if (!(await yielding(() => this.#addPart(document, record, part, partOf(state, part))))) break
    }
    return record
  }

  /** Of one document, so that what others are writing stays; of all, for who has just started. */
  async deleteLeftovers(document?: number): Promise<void> {
    const leftovers = document === undefined ? this.#leftovers.all() : this.#leftoversOf.all(document)
    for (const id of leftovers) {
      while (await yielding(() => this.#deletePart.run(id, id).changes > 0));
      this.#deleteSnapshot.run(id)
    }
  }

  #publish(document: DocumentRecord, { id, position }: SnapshotRecord, isReplacing: boolean): boolean {
    const least = isReplacing ? position + 1 : position
    return this.#db
      .transaction(() => {
        const complete = this.#complete.run({ id, document: document.id, least }).changes === 1
        if (complete) this.#replace.run(document.id, position, id)
        if (complete) this.#retire(document.id)
        return complete
      })
      .immediate()
  }
}

/**
 * Returns a function that turns those of a document's snapshots into leftovers that nothing needs any more: all but the
 * newest and the one at which its history begins.
 */
export function snapshotRetirer(db: Database): (document: number) => void {
  const retire = db.prepare<{ document: number }>(
    `UPDATE snapshots SET complete = 0 WHERE document = :document AND complete = 1
       AND position < (SELECT max(position) FROM snapshots WHERE document = :document AND complete = 1)
       AND position IS NOT (SELECT forgotten FROM documents WHERE id = :document)`,
  )
  return (document) => void retire.run({ document })
}
