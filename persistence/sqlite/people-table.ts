import type { Database } from 'better-sqlite3'
import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { PersonTrace, StoredErasure } from '../people-store.ts'
import { MAX_PACK_ROWS, timesInPack } from '../row-pack.ts'
import { packSelector } from './pack-table.ts'

/** Documents that are looked through for one answer. */
const PAGE_DOCUMENTS = 200
const LAST_POSITION = Number.MAX_SAFE_INTEGER - MAX_PACK_ROWS

export interface TracePage {
  readonly traces: readonly PersonTrace[]
  /** What to give as `after` to go on; undefined when there is nothing more. */
  readonly next: string | undefined
}

/** Returns a function that looks through a page of documents for what they keep of a user. */
export function traceReader(
  db: Database,
  keys: KeyRing | undefined,
): (options: { readonly user: string; readonly after: string }) => TracePage {
  const page = db
    .prepare<[string], [number, string]>(
      `SELECT id, name FROM documents WHERE name > ? ORDER BY name LIMIT ${PAGE_DOCUMENTS}`,
    )
    .raw()
  const updates = db
    .prepare<[number, string], [number, number | null, number | null]>(
      'SELECT count(*), min(at), max(at) FROM updates WHERE document = ? AND author = ?',
    )
    .raw()
  const packs = packSelector(db)
  /** When the packed rows of a user were taken. */
  const packedTimes = (document: DocumentKey, user: string) =>
    [...packs(document.id, 0, LAST_POSITION)].flatMap((values) => timesInPack(keys, document, values, user))
  const counter = (table: string, owner: string) =>
    db.prepare<[number, string], number>(`SELECT count(*) FROM ${table} WHERE document = ? AND ${owner} = ?`).pluck()
  const [clients, versions, seen] = [counter('clients', 'user'), counter('versions', 'author'), counter('seen', 'user')]
  return ({ user, after }) => {
    const documents = page.all(after)
    const traces = documents.map(([id, document]): PersonTrace => {
      const [count = 0, firstAt, lastAt] = updates.get(id, user) ?? []
      const packed = packedTimes({ id, name: document }, user)
      const times = [firstAt, lastAt, ...packed].filter((at) => typeof at === 'number')
      return {
        document,
        updates: count + packed.length,
        firstAt: times.reduce((first, at) => Math.min(first, at), times[0] ?? 0),
        lastAt: times.reduce((last, at) => Math.max(last, at), 0),
        clients: clients.get(id, user) ?? 0,
        versions: versions.get(id, user) ?? 0,
        hasSeen: (seen.get(id, user) ?? 0) > 0,
      }
    })
    const next = documents.length < PAGE_DOCUMENTS ? undefined : documents.at(-1)?.[1]
    return { traces: traces.filter(isTrace), next }
  }
}

/** Returns a function that reads the erasure of an id, or those that are not done or were asked for since then. */
export function erasureReader(
  db: Database,
): (options: { readonly id: string | undefined; readonly since: number }) => StoredErasure[] {
  const columns = 'id, at, is_done, data'
  type Row = [string, number, number, string]
  const find = db.prepare<[string], Row>(`SELECT ${columns} FROM erasures WHERE id = ?`).raw()
  const list = db
    .prepare<[number], Row>(`SELECT ${columns} FROM erasures WHERE is_done = 0 OR at >= ? ORDER BY at, id`)
    .raw()
  return ({ id, since }) =>
    (id === undefined ? list.all(since) : find.all(id)).map(([id, at, isDone, json]) => ({
      id,
      at,
      isDone: isDone === 1,
      json,
    }))
}

/** Returns a function that stores an erasure. */
export function erasureWriter(db: Database): (erasure: StoredErasure) => void {
  const save = db.prepare('INSERT OR REPLACE INTO erasures (id, at, is_done, data) VALUES (?, ?, ?, ?)')
  return ({ id, at, isDone, json }) => {
    save.run(id, at, isDone ? 1 : 0, json)
  }
}

function isTrace({ updates, clients, versions, hasSeen }: PersonTrace): boolean {
  return updates + clients + versions > 0 || hasSeen
}
