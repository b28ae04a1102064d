import type { Database } from 'better-sqlite3'
import { besideOf } from '../beside.ts'
import { shouldCompact } from '../compaction.ts'
import { type DocumentRecord, documentChecksum, NO_ROWS } from '../document-record.ts'
import { NO_SNAPSHOT, type SnapshotRecord, tailWeight } from '../snapshot-record.ts'
import { documentFinder } from './document-table.ts'
import { snapshotFinder } from './snapshot-table.ts'

const MAX_DOCUMENTS = 10_000

/** Changed in place: a copy for each update would cost as much as its row. */
type Entry = { readonly record: Mutable<DocumentRecord>; snapshot: SnapshotRecord }
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/**
 * The documents that the writer has appended to lately, so that an update costs no look-up. Everything happens inside
 * the writer's transaction; after a failed one the cache is thrown away together with its connection.
 */
export class DocumentCache {
  readonly #entries = new Map<string, Entry>()
  readonly #dataVersion
  readonly #insert
  readonly #update
  readonly #find
  readonly #findSnapshot
  #seenVersion: unknown

  constructor(db: Database) {
    this.#dataVersion = db.prepare('PRAGMA data_version').pluck()
    this.#insert = db.prepare<[string, number, number]>(
      `INSERT INTO documents (name, created_at, updated_at, position, bytes, clients, checksum) VALUES (?, ?, ?, 0, 0, 0, 0)`,
    )
    this.#update = db.prepare<[number, number, number, number, number, number, number]>(
      'UPDATE documents SET updated_at = ?, position = ?, bytes = ?, clients = ?, epoch = ?, checksum = ? WHERE id = ?',
    )
    this.#find = documentFinder(db)
    this.#findSnapshot = snapshotFinder(db)
  }

  /** Call first in each transaction: forgets everything if another connection has written since the last one. */
  refresh(): void {
    const version = this.#dataVersion.get()
    if (version !== this.#seenVersion || this.#entries.size > MAX_DOCUMENTS) this.#entries.clear()
    this.#seenVersion = version
  }

  /** Forgets everything, since this connection itself has changed records. */
  clear(): void {
    this.#entries.clear()
  }

  /**
   * The record of a document, which is made if it is not there: a row for it must follow. Undefined for a deleted one.
   */
  open(name: string, at: number): DocumentRecord | undefined {
    const entry = this.#entries.get(name) ?? this.#enter(name, at)
    return entry?.record.tombstone === undefined ? entry?.record : undefined
  }

  /** The last position of a document; 0 where there is none, which is not made. */
  positionOf(name: string): number {
    return (this.#entries.get(name)?.record ?? this.#find(name))?.position ?? 0
  }

  /** Counts one more row into an open document, and the client ids it has claimed. */
  count(
    name: string,
    row: { readonly at: number; readonly bytes: number; readonly clients: number; readonly resets: boolean },
  ): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    const { record } = entry
    record.updatedAt = Math.max(record.updatedAt, row.at)
    record.position += 1
    record.bytes += row.bytes
    record.clients += row.clients
    if (!row.resets) return
    record.epoch = record.position
    entry.snapshot = NO_SNAPSHOT
  }

  /** Writes the record of a document that rows were added to, and returns it. */
  save(name: string): DocumentRecord | undefined {
    const record = this.#entries.get(name)?.record
    if (record === undefined) return undefined
    const { id, updatedAt, position, bytes, clients, epoch } = record
    this.#update.run(updatedAt, position, bytes, clients, epoch, documentChecksum(record), id)
    return record
  }

  isDue(name: string): boolean {
    const entry = this.#entries.get(name)
    return entry !== undefined && shouldCompact(tailWeight(entry.record, entry.snapshot))
  }

  #enter(name: string, at: number): Entry | undefined {
    const record = this.#find(name)
    if (record === undefined && this.#isBesideDeleted(name)) return undefined
    const entry =
      record === undefined
        ? { record: this.#create(name, at), snapshot: NO_SNAPSHOT }
        : { record, snapshot: this.#findSnapshot(record) }
    this.#entries.set(name, entry)
    return entry
  }

  /** Of a document that is not there: whether it would be in the chat beside a deleted one. */
  #isBesideDeleted(name: string): boolean {
    const beside = besideOf(name)
    if (beside === undefined) return false
    const record = this.#entries.get(beside)?.record ?? this.#find(beside)
    return record?.tombstone !== undefined
  }

  #create(name: string, at: number): DocumentRecord {
    const id = Number(this.#insert.run(name, at, at).lastInsertRowid)
    return { id, name, createdAt: at, updatedAt: at, ...NO_ROWS, tombstone: undefined }
  }
}
