import type { Database } from 'better-sqlite3'
import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { isSnapshotWorthIt, type Packing } from '../retention.ts'
import { MAX_PACK_ROWS, packable, type RowSize, sealPack } from '../row-pack.ts'
import { tailWeight } from '../snapshot-record.ts'
import type { LogRow } from '../update-log.ts'
import { documentFinder } from './document-table.ts'
import { packInserter } from './pack-table.ts'
import { snapshotFinder } from './snapshot-table.ts'
import { rowReader } from './update-table.ts'
import { yielding } from './yielding.ts'

/** After so long an answer is given, so that whoever wants the thread to end need not wait for a whole document. */
const SLICE_MS = 200

/** Packs rows of documents, a transaction for each pack; see Retention.pack(). */
export class Packer {
  readonly #db: Database
  readonly #keys: KeyRing | undefined
  readonly #find
  readonly #findSnapshot
  readonly #sizes
  readonly #rows
  readonly #authors
  readonly #deleteRows
  readonly #insert

  constructor(db: Database, keys: KeyRing | undefined) {
    this.#db = db
    this.#keys = keys
    this.#find = documentFinder(db)
    this.#findSnapshot = snapshotFinder(db)
    this.#sizes = db.prepare<[number, number, number], RowSize>(
      `SELECT position, length(data) AS bytes FROM updates WHERE document = ? AND position > ? AND position <= ?
       ORDER BY position LIMIT ${MAX_PACK_ROWS}`,
    )
    this.#rows = rowReader(db, keys)
    const range = 'FROM updates WHERE document = ? AND position >= ? AND position <= ?'
    this.#authors = db.prepare<[number, number, number], string>(`SELECT author ${range} ORDER BY position`).pluck()
    this.#deleteRows = db.prepare<[number, number, number]>(`DELETE ${range}`)
    this.#insert = packInserter(db)
  }

  /** Packs rows above `after` for a while. */
  async run(document: string, after: number, until: number): Promise<Packing> {
    const deadline = performance.now() + SLICE_MS
    for (let [at, packed] = [after, 0]; ; ) {
      const next = this.#db.transaction(() => this.#next(document, at, until))()
      if (next.record === undefined) return { after: at, packed, isDone: true, wantsSnapshot: next.wantsSnapshot }
      at = next.last
      if (next.rows.length > 0 && (await yielding(() => this.#pack(next.record, next.rows)))) packed += next.rows.length
      if (performance.now() > deadline) return { after: at, packed, isDone: false, wantsSnapshot: false }
    }
  }

  /** The rows of the next pack, none where those up to `last` stay as they are. */
  #next(document: string, after: number, until: number) {
    const record = this.#find(document)
    if (record === undefined) return { record, wantsSnapshot: false }
    const snapshot = this.#findSnapshot(record)
    const target = Math.min(until, snapshot.position)
    const sizes = this.#sizes.all(record.id, Math.max(after, record.forgotten), target)
    const { count, isWorthIt } = packable(sizes)
    const [first, last] = [sizes[0]?.position, sizes[count - 1]?.position]
    if (first === undefined || last === undefined) {
      const wantsSnapshot = target < Math.min(until, record.position) && isSnapshotWorthIt(tailWeight(record, snapshot))
      return { record: undefined, wantsSnapshot }
    }
    return { record, last, rows: isWorthIt ? [...this.#rows(record, first - 1, last)] : [] }
  }

  /** False where another process was first, has forgotten some of them, or has given them to another author. */
  #pack(record: DocumentRecord, rows: readonly LogRow[]): boolean {
    const pack = sealPack(this.#keys, record, rows)
    const range = [record.id, pack.first, pack.last] as const
    const replace = this.#db.transaction(() => {
      const now = this.#find(record.name)
      if (now?.id !== record.id || now.createdAt !== record.createdAt || now.forgotten >= pack.first) return false
      const authors = this.#authors.all(...range)
      if (authors.length !== rows.length || !rows.every(({ author }, index) => author === authors[index])) return false
      this.#deleteRows.run(...range)
      this.#insert(record, pack)
      return true
    })
    return replace.immediate()
  }
}
