import type { Database } from 'better-sqlite3'
import * as Y from 'yjs'
import { type DocumentRecord, Erasure } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { PackedRanges } from '../packed-ranges.ts'
import { StorageError } from '../storage-error.ts'
import type { Damage } from '../update-log.ts'
import { adminDamages } from './admin-table.ts'
import { claimReader } from './client-table.ts'
import { openForReading } from './database.ts'
import { documentFinder } from './document-table.ts'
import { eventDamages } from './event-table.ts'
import { historyStartReader } from './history-start.ts'
import { messageDamages } from './message-checker.ts'
import { type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { packDamage } from './replies.ts'
import { seenReader } from './seen-table.ts'
import { snapshotFinder, snapshotReader } from './snapshot-table.ts'
import { rowReader } from './update-table.ts'
import { versionReader } from './version-table.ts'
import { webhookDamages } from './webhook-table.ts'

const SEEN_PER_PAGE = 1_000

/** The thread of one check(): answers each request with the next damage found. */
export function openChecker(settings: WorkerSettings): Role {
  const db = openForReading(settings)
  const damages = findDamages(db, settings.keys)
  return {
    handle(request) {
      if (request.kind !== 'check-next') return unexpectedRequest('checker', request)
      const next = damages.next()
      return packDamage(next.done ? undefined : next.value)
    },
    close() {
      db.close()
    },
  }
}

function* findDamages(db: Database, keys: KeyRing | undefined): Generator<Damage, void, undefined> {
  yield* pageDamages(db)
  try {
    // Names are listed from the table and found through its index below: each must lead to the other.
    const names = db.prepare<[], unknown>('SELECT name FROM documents NOT INDEXED ORDER BY id').pluck().all()
    const check = documentChecker(db, keys)
    const isGoing = goneSince(db)
    for (const name of names) {
      if (typeof name === 'string') {
        for (const damage of check(name)) if (!isGoing(name, damage)) yield damage
      } else {
        yield { document: undefined, position: undefined, problem: `a document's name is ${typeof name}` }
      }
    }
    yield* messageDamages(db, keys)
    yield* eventDamages(db, keys)
    yield* webhookDamages(db, keys)
    yield* adminDamages(db)
    yield* orphans(db)
  } catch (error) {
    yield { document: undefined, position: undefined, problem: messageOf(error) }
  }
}

function* pageDamages(db: Database): Generator<Damage, void, undefined> {
  try {
    for (const problem of db.prepare<[], unknown>('PRAGMA integrity_check').pluck().all()) {
      if (problem !== 'ok') yield { document: undefined, position: undefined, problem: String(problem) }
    }
  } catch (error) {
    yield { document: undefined, position: undefined, problem: messageOf(error) }
  }
}

/**
 * Returns a function that tells whether rows of a document are missing, or left over, since it is being erased, or since
 * they were forgotten meanwhile.
 */
function goneSince(db: Database): (name: string, damage: Damage) => boolean {
  const find = db.prepare<[string], unknown[]>('SELECT erasure, forgotten FROM documents WHERE name = ?').raw()
  return (name, { position }) => {
    const [erasure, forgotten] = find.get(name) ?? []
    if (erasure === Erasure.Begun || erasure === Erasure.Done) return true
    return position !== undefined && typeof forgotten === 'number' && position <= forgotten
  }
}

function documentChecker(
  db: Database,
  keys: KeyRing | undefined,
): (name: string) => Generator<Damage, void, undefined> {
  const find = documentFinder(db)
  const rows = rowReader(db, keys)
  const findSnapshot = snapshotFinder(db)
  const readSnapshot = snapshotReader(db, keys)
  const readClaims = claimReader(db)
  const readVersions = versionReader(db, keys)
  const checkSeen = seenChecker(db)
  const { baseOf } = historyStartReader(db, keys)
  const positions = db
    .prepare<[number], unknown>('SELECT position FROM updates WHERE document = ? ORDER BY position')
    .pluck()

  const ranges = db
    .prepare<[number], [unknown, unknown]>('SELECT first, last FROM packs WHERE document = ? ORDER BY last')
    .raw()
  const checkNewest = db.transaction((name: string) => {
    const record = find(name)
    if (record === undefined) return
    const snapshot = findSnapshot(record)
    if (snapshot.position > 0) decode(readSnapshot(record, snapshot))
  })
  const checkBase = db.transaction((name: string) => {
    const base = baseOf(name)
    if (base !== undefined) decode(base.state)
  })

  return function* checkDocument(name) {
    let record: DocumentRecord | undefined
    try {
      record = find(name)
    } catch (error) {
      return yield { document: name, position: undefined, problem: messageOf(error) }
    }
    if (record === undefined) {
      return yield { document: name, position: undefined, problem: `${name} is missing from the index of documents` }
    }
    // Row by row and pack by pack, so that a bad one does not hide the next.
    const read = db.transaction((after: number, until: number) => {
      for (const row of rows(record, after, until)) decode(row.data)
    })
    const packs = new PackedRanges(ranges.all(record.id))
    for (let position = record.forgotten + 1; position <= record.position; ) {
      const until = Math.min(packs.endOf(position), record.position)
      const problem = problemOf(() => read(position - 1, until))
      if (problem !== undefined) yield { document: name, position, problem }
      position = until + 1
    }
    for (const position of positions.iterate(record.id)) {
      const isInside = typeof position === 'number' && position >= 1 && position <= record.position
      if (isInside && (position <= record.forgotten || !packs.has(position))) continue
      if (isInside) {
        yield { document: name, position, problem: `${name}: the row at position ${position} is also packed` }
        continue
      }
      const problem = `${name}: a row at position ${position}, beyond the last one, ${record.position}`
      yield { document: name, position: undefined, problem }
      break
    }
    for (const check of [checkNewest, checkBase]) {
      const snapshotProblem = problemOf(() => check(name))
      if (snapshotProblem !== undefined) yield { document: name, position: undefined, problem: snapshotProblem }
    }
    const clientProblem = problemOf(() => readClaims(record, 0))
    if (clientProblem !== undefined) yield { document: name, position: undefined, problem: clientProblem }
    const versionProblem = problemOf(() => readVersions(record))
    if (versionProblem !== undefined) yield { document: name, position: undefined, problem: versionProblem }
    const seenProblem = problemOf(() => checkSeen(record))
    if (seenProblem !== undefined) yield { document: name, position: undefined, problem: seenProblem }
  }
}

function seenChecker(db: Database): (document: DocumentRecord) => void {
  const read = seenReader(db)
  return (document) => {
    for (let after: string | undefined = ''; after !== undefined; ) {
      after = read(document, { after, limit: SEEN_PER_PAGE }).at(-1)?.user
    }
  }
}

/** Rows whose document is not there: its row of `documents` has been lost. */
function* orphans(db: Database): Generator<Damage, void, undefined> {
  for (const table of ['updates', 'packs', 'clients', 'snapshots', 'versions', 'seen']) {
    const ids = db.prepare<[], unknown>(
      `SELECT DISTINCT document FROM ${table} WHERE document NOT IN (SELECT id FROM documents)`,
    )
    for (const id of ids.pluck().all()) {
      const problem = `rows in ${table} belong to a document with id ${id}, which is missing`
      yield { document: undefined, position: undefined, problem }
    }
  }
}

function decode(update: Uint8Array): void {
  try {
    Y.decodeUpdate(update)
  } catch (cause) {
    throw new StorageError('storage/corrupt', `not a Yjs update: ${messageOf(cause)}`, { cause })
  }
}

function problemOf(action: () => void): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
