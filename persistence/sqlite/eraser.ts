import type { Database } from 'better-sqlite3'
import { isRoom, roomsOf } from '../beside.ts'
import { type DocumentRecord, Erasure, erasedRecord } from '../document-record.ts'
import { openForWriting } from './database.ts'
import { Disowner } from './disowner.ts'
import { documentFinder, familyReader, recordWriter } from './document-table.ts'
import { emptyWal } from './empty-wal.ts'
import { packText } from './plain-replies.ts'
import { type Request, type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { rowEraser } from './row-eraser.ts'
import { toStorageError } from './sqlite-errors.ts'
import { sweep } from './sweeper.ts'
import { wordMerger } from './word-merger.ts'
import { yielding } from './yielding.ts'

/** Small rows that one transaction erases, at most. */
const STEP_ROWS = 500
/** After so long an answer is given, so that whoever wants the thread to end need not wait for a whole document. */
const SLICE_MS = 200

/** How far erasing has come: `last` when only one transaction is left. */
export type ErasingState = 'not-deleted' | 'going-on' | 'last' | 'done'

/** The thread of one erase(), disown() or sweep(). */
export function openEraser(settings: WorkerSettings): Role {
  const { db } = openForWriting(settings)
  // As for snapshots: what a power cut takes back is erased again, and the last transaction syncs all of them.
  db.pragma('synchronous = NORMAL')
  const eraser = new Eraser(db)
  const disowner = new Disowner(db, settings.keys)

  async function answer(request: Request): Promise<string> {
    if (request.kind === 'erase') return await eraser.run(request.document)
    if (request.kind === 'disown') return JSON.stringify(await disowner.run(request.user, request.pseudonym))
    if (request.kind !== 'sweep') return unexpectedRequest('eraser', request)
    await sweep(db)
    return ''
  }

  return {
    async handle(request) {
      try {
        return packText(await answer(request))
      } catch (error) {
        throw toStorageError(error, `${'document' in request ? request.document : settings.file}: erasing`)
      }
    },
    close() {
      db.close()
    },
  }
}

/**
 * Erases a deleted document and the chat beside it, in small transactions. The first one makes it so that nothing leads to
 * the rest any more; how far it has come is in the database, so that anybody may go on, also several at once.
 */
class Eraser {
  readonly #db: Database
  readonly #find
  readonly #familyOf
  readonly #save
  readonly #removeDocument
  readonly #retire
  readonly #bulks: ((document: number) => boolean)[]
  readonly #eraseMessages: (room: string) => boolean
  readonly #eraseText
  readonly #hasText
  readonly #forgetText
  readonly #mergeMessages
  readonly #mergeTexts

  constructor(db: Database) {
    this.#db = db
    this.#find = documentFinder(db)
    this.#familyOf = familyReader(db)
    this.#save = recordWriter(db)
    this.#removeDocument = db.prepare<[number]>('DELETE FROM documents WHERE id = ?')
    this.#retire = db.prepare<[number]>('UPDATE snapshots SET complete = 0 WHERE document = ?')
    this.#bulks = [
      rowEraser(db, 'updates', 'document', 'position'),
      rowEraser(db, 'packs', 'document', 'last'),
      snapshotEraser(db),
      smallRowEraser(db, 'clients', 'client'),
      smallRowEraser(db, 'versions', 'id'),
      smallRowEraser(db, 'seen', 'user'),
    ]
    this.#eraseMessages = rowEraser(db, 'messages', 'room', 'seq')
    this.#eraseText = db.prepare<[number]>('DELETE FROM texts WHERE document = ?')
    this.#hasText = db.prepare<[number]>('SELECT 1 FROM text_states WHERE document = ?')
    this.#forgetText = db.prepare<[number]>('DELETE FROM text_states WHERE document = ?')
    this.#mergeMessages = wordMerger(db, 'messages_text')
    this.#mergeTexts = wordMerger(db, 'texts_words')
  }

  /** Erases for a while. */
  async run(document: string): Promise<ErasingState> {
    const until = performance.now() + SLICE_MS
    const step = this.#db.transaction(() => this.#step(document))
    for (;;) {
      const state = await yielding(() => step.immediate())
      if (state === 'last') return await this.#finish(document)
      if (state !== 'going-on' || performance.now() > until) return state
    }
  }

  #step(document: string): ErasingState {
    const tombstone = this.#find(document)?.tombstone
    if (tombstone === undefined) return 'not-deleted'
    if (tombstone.erasure === Erasure.Done) return 'done'
    const family = this.#familyOf(document)
    if (tombstone.erasure === Erasure.None) {
      for (const record of family) this.#begin(record, tombstone)
      return 'going-on'
    }
    for (const { id } of family) if (this.#bulks.some((erase) => erase(id))) return 'going-on'
    if (roomsOf(document).some((room) => this.#eraseMessages(room))) return 'going-on'
    for (const { id } of family) if (this.#eraseText.run(id).changes > 0) return 'going-on'
    const hadMessages = family.some(({ name }) => name !== document) || isRoom(document)
    if (hadMessages && this.#mergeMessages()) return 'going-on'
    // Its state tells that there was a text, also whoever goes on after an interruption.
    const hadText = family.filter(({ id }) => this.#hasText.get(id) !== undefined)
    if (hadText.length > 0 && this.#mergeTexts()) return 'going-on'
    for (const { id } of hadText) this.#forgetText.run(id)
    return 'last'
  }

  #begin(record: DocumentRecord, tombstone: { readonly at: number; readonly by: string }): void {
    this.#save(erasedRecord(record, tombstone))
    this.#retire.run(record.id)
  }

  async #finish(document: string): Promise<ErasingState> {
    this.#db.pragma('synchronous = FULL')
    const finish = this.#db.transaction(() => {
      for (const record of this.#familyOf(document)) {
        const { name, id, tombstone } = record
        if (tombstone?.erasure !== Erasure.Begun) continue
        if (name === document) this.#save({ ...record, tombstone: { ...tombstone, erasure: Erasure.Done } })
        else this.#removeDocument.run(id)
      }
    })
    finish.immediate()
    this.#db.pragma('synchronous = NORMAL')
    await emptyWal(this.#db)
    return 'done'
  }
}

function smallRowEraser(
  db: Database,
  table: 'clients' | 'versions' | 'seen',
  key: string,
): (document: number) => boolean {
  const erase = db.prepare<[number, number]>(
    `DELETE FROM ${table} WHERE document = ? AND ${key} IN (
       SELECT ${key} FROM ${table} WHERE document = ? LIMIT ${STEP_ROWS})`,
  )
  return (document) => erase.run(document, document).changes > 0
}

/** A part has up to 1 MiB. */
function snapshotEraser(db: Database): (document: number) => boolean {
  const find = db.prepare<[number], number>('SELECT id FROM snapshots WHERE document = ? LIMIT 1').pluck()
  const erasePart = db.prepare<[number, number]>(
    `DELETE FROM snapshot_parts WHERE snapshot = ? AND part =
       (SELECT max(part) FROM snapshot_parts WHERE snapshot = ?)`,
  )
  const erase = db.prepare<[number]>('DELETE FROM snapshots WHERE id = ?')
  return (document) => {
    const id = find.get(document)
    if (id === undefined) return false
    if (erasePart.run(id, id).changes === 0) erase.run(id)
    return true
  }
}
