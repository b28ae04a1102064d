import { randomInt } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { PART_BYTES, type SnapshotRecord, snapshotChecksum } from '../snapshot-record.ts'
import { partInserter } from './snapshot-table.ts'
import { yielding } from './yielding.ts'

const MAX_ID = 2 ** 48 - 1

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
  readonly #retire
  readonly #leftovers
  readonly #deletePart
  readonly #deleteSnapshot

  constructor(db: Database, keys: KeyRing | undefined) {
    this.#db = db
    this.#addPart = partInserter(db, keys)
    // Not if the document was erased meanwhile; from here on, erasing it takes this snapshot away.
    this.#begin = db.prepare<[number, number, number, number, number, number, number, number, number, number]>(
      `INSERT INTO snapshots (id, document, position, bytes, log_bytes, parts, complete, checksum)
       SELECT ?, ?, ?, ?, ?, ?, 0, ?
       WHERE EXISTS (SELECT 1 FROM documents WHERE id = ? AND created_at = ? AND position >= ?)`,
    )
    // Not if another process has a newer one by now.
    this.#complete = db.prepare<{ id: number; document: number; position: number }>(
      `UPDATE snapshots SET complete = 1 WHERE id = :id AND NOT EXISTS (
         SELECT 1 FROM snapshots WHERE document = :document AND complete = 1 AND position >= :position)`,
    )
    this.#retire = db.prepare<[number, number]>(
      'UPDATE snapshots SET complete = 0 WHERE document = ? AND complete = 1 AND id <> ?',
    )
    this.#leftovers = db.prepare<[], unknown>('SELECT id FROM snapshots WHERE complete = 0').pluck()
    this.#deletePart = db.prepare<[unknown, unknown]>(
      `DELETE FROM snapshot_parts WHERE snapshot = ? AND part =
         (SELECT max(part) FROM snapshot_parts WHERE snapshot = ?)`,
    )
    this.#deleteSnapshot = db.prepare<[unknown]>('DELETE FROM snapshots WHERE id = ?')
  }

  /** Makes `state` the document's snapshot, unless another process has made a newer one meanwhile. */
  async write(document: DocumentRecord, state: Uint8Array): Promise<void> {
    const record: SnapshotRecord = {
      id: randomInt(1, MAX_ID),
      position: document.position,
      bytes: state.length,
      logBytes: document.bytes,
      parts: Math.ceil(state.length / PART_BYTES),
    }
    const sum = snapshotChecksum(document.id, record)
    const row = [record.id, document.id, record.position, record.bytes, record.logBytes, record.parts, sum] as const
    if (this.#begin.run(...row, document.id, document.createdAt, document.position).changes === 0) return
    for (let part = 0; part < record.parts; part++) {
      const plain = state.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
      if (!(await yielding(() => this.#addPart(document, record, part, plain)))) break
    }
    this.#publish(document, record)
    await this.deleteLeftovers()
  }

  async deleteLeftovers(): Promise<void> {
    for (const id of this.#leftovers.all()) {
      while (await yielding(() => this.#deletePart.run(id, id).changes > 0));
      this.#deleteSnapshot.run(id)
    }
  }

  #publish(document: DocumentRecord, { id, position }: SnapshotRecord): void {
    this.#db
      .transaction(() => {
        const complete = this.#complete.run({ id, document: document.id, position }).changes === 1
        if (complete) this.#retire.run(document.id, id)
      })
      .immediate()
  }
}
