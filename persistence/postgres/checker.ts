import * as Y from 'yjs'
import { type DocumentRecord, Erasure } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { PackedRanges } from '../packed-ranges.ts'
import { StorageError } from '../storage-error.ts'
import type { Damage, LogRow } from '../update-log.ts'
import { verifiedRows } from '../update-row.ts'
import { findAdminDamages } from './admin-table.ts'
import { readClaims } from './client-table.ts'
import type { Connections } from './connections.ts'
import { findHead, findRecord } from './document-table.ts'
import { findEventDamages } from './event-table.ts'
import { historyBaseOf } from './history-start.ts'
import { findMessageDamages } from './message-checker.ts'
import { attempt } from './problem.ts'
import { readSeen } from './seen-table.ts'
import type { Session } from './session.ts'
import { readSnapshot } from './snapshot-table.ts'
import { rawPage, readPage } from './update-table.ts'
import { readVersions } from './version-table.ts'
import { findWebhookDamages } from './webhook-table.ts'

const SEEN_PER_PAGE = 1_000

type Damages = AsyncGenerator<Damage, void, undefined>

/** Everything that is damaged, document by document. A lost connection is no damage: it ends the check. */
export async function* findDamages(connections: Connections, keys: KeyRing | undefined): Damages {
  for (let last: unknown = 0; ; ) {
    // Listed by id and looked up by name below, so that table and index must agree.
    const sql = 'SELECT id, name FROM coweave.documents WHERE id > $1 ORDER BY id LIMIT 1'
    const { found, problem } = await attempt('documents', () =>
      connections.read((session) => session.rows(sql, [last])),
    )
    if (problem !== undefined) yield { document: undefined, position: undefined, problem }
    const [row] = found ?? []
    if (row === undefined) break
    last = row[0]
    yield* unlessErased(connections, String(row[1]), documentDamages(connections, keys, String(row[1])))
  }
  yield* findMessageDamages(connections, keys)
  yield* findEventDamages(connections, keys)
  yield* findWebhookDamages(connections, keys)
  yield* findAdminDamages(connections)
  yield* orphans(connections)
}

/** Leaves out what is missing, or left over, since the document is being erased, or what was forgotten meanwhile. */
async function* unlessErased(connections: Connections, name: string, damages: Damages): Damages {
  const sql = 'SELECT erasure, forgotten FROM coweave.documents WHERE name = $1'
  for await (const damage of damages) {
    const { found: [[erasure, forgotten] = []] = [] } = await attempt(name, () =>
      connections.read((s) => s.rows(sql, [name])),
    )
    const { position } = damage
    const isForgotten = position !== undefined && typeof forgotten === 'number' && position <= forgotten
    if (erasure !== Erasure.Begun && erasure !== Erasure.Done && !isForgotten) yield damage
  }
}

async function* documentDamages(connections: Connections, keys: KeyRing | undefined, name: string): Damages {
  const { found: record, problem } = await attempt(name, () => connections.read((session) => findRecord(session, name)))
  if (record === undefined) {
    return yield {
      document: name,
      position: undefined,
      problem: problem ?? `${name} is missing from the index of documents`,
    }
  }
  yield* rowDamages(connections, keys, record)
  for (const look of [strayRow, packedTwice, snapshotAndClients, historyBase, namedPositions, seenPositions]) {
    const { problem } = await attempt(name, () => connections.look((session) => look(session, keys, name)))
    if (problem !== undefined) yield { document: name, position: undefined, problem }
  }
}

/** Row by row and pack by pack, so that a bad one does not hide the next. */
async function* rowDamages(connections: Connections, keys: KeyRing | undefined, record: DocumentRecord): Damages {
  const sql = 'SELECT first, last FROM coweave.packs WHERE document = $1 ORDER BY last'
  const { found: ranges = [], problem } = await attempt(record.name, () =>
    connections.read((session) => session.rows(sql, [record.id])),
  )
  if (problem !== undefined) yield { document: record.name, position: undefined, problem }
  const packs = new PackedRanges(ranges)
  for (let after = record.forgotten; after < record.position; ) {
    const range = { after, until: record.position }
    const { found: page = [] } = await attempt(record.name, () =>
      connections.read((session) => rawPage(session, record, range)),
    )
    const rows = new Map(page.map((row) => [row[0], row]))
    const last = page.at(-1)?.[0]
    // Where a page can't be read, or nothing comes any more, it is one row at a time, or one pack.
    const end = typeof last === 'number' ? last : after + 1
    while (after < end) {
      const position = after + 1
      const row = rows.get(position)
      const until = Math.min(packs.endOf(position), record.position)
      const { problem } = await attempt(record.name, async () => {
        const found =
          row === undefined || until > position
            ? await connections.look((session) => readRange(session, keys, record, { after: position - 1, until }))
            : verifiedRows(keys, record, { after: position - 1, until }, { rows: [row], packs: [] })
        for (const { data } of found) decode(data)
      })
      if (problem !== undefined) yield { document: record.name, position, problem }
      after = until
    }
  }
}

/** As readPage(), all of the range. */
async function readRange(
  session: Session,
  keys: KeyRing | undefined,
  record: DocumentRecord,
  { after, until }: { readonly after: number; readonly until: number },
): Promise<LogRow[]> {
  const rows: LogRow[] = []
  for (let last = after; last < until; last = rows.at(-1)?.position ?? until) {
    rows.push(...(await readPage(session, keys, record, { after: last, until })))
  }
  return rows
}

async function packedTwice(session: Session, _keys: KeyRing | undefined, name: string): Promise<void> {
  const [values] = await session.rows(
    `SELECT u.position FROM coweave.documents d JOIN coweave.packs p ON p.document = d.id
     JOIN coweave.updates u ON u.document = d.id AND u.position BETWEEN p.first AND p.last
     WHERE d.name = $1 AND u.position > coalesce(d.forgotten, 0) LIMIT 1`,
    [name],
  )
  if (values === undefined) return
  throw new StorageError('storage/corrupt', `${name}: the row at position ${values[0]} is also packed`)
}

async function strayRow(session: Session, _keys: KeyRing | undefined, name: string): Promise<void> {
  const [values] = await session.rows(
    `SELECT u.position, d.position FROM coweave.documents d JOIN coweave.updates u ON u.document = d.id
     WHERE d.name = $1 AND (u.position > d.position OR u.position < 1) LIMIT 1`,
    [name],
  )
  if (values === undefined) return
  const message = `${name}: a row at position ${values[0]}, beyond the last one, ${values[1]}`
  throw new StorageError('storage/corrupt', message)
}

async function snapshotAndClients(session: Session, keys: KeyRing | undefined, name: string): Promise<void> {
  const head = await findHead(session, name)
  if (head === undefined) return
  await readClaims(session, head.record)
  if (head.snapshot.position > 0) decode(await readSnapshot(session, keys, head.record, head.snapshot))
}

async function historyBase(session: Session, keys: KeyRing | undefined, name: string): Promise<void> {
  const base = await historyBaseOf(session, keys, name)
  if (base !== undefined) decode(base.state)
}

async function namedPositions(session: Session, keys: KeyRing | undefined, name: string): Promise<void> {
  const record = await findRecord(session, name)
  if (record !== undefined) await readVersions(session, keys, record)
}

async function seenPositions(session: Session, _keys: KeyRing | undefined, name: string): Promise<void> {
  const record = await findRecord(session, name)
  for (let after: string | undefined = ''; record !== undefined && after !== undefined; ) {
    const page = await readSeen(session, record, { after, limit: SEEN_PER_PAGE })
    after = page.at(-1)?.user
  }
}

/** Rows whose document is not there: its row of `documents` has been lost. */
async function* orphans(connections: Connections): Damages {
  for (const table of ['updates', 'packs', 'clients', 'snapshots', 'versions', 'seen']) {
    const sql = `SELECT DISTINCT document FROM coweave.${table} t
      WHERE NOT EXISTS (SELECT 1 FROM coweave.documents d WHERE d.id = t.document)`
    const { found = [], problem } = await attempt(table, () => connections.read((session) => session.rows(sql)))
    if (problem !== undefined) yield { document: undefined, position: undefined, problem }
    for (const [id] of found) {
      const problem = `rows in ${table} belong to a document with id ${id}, which is missing`
      yield { document: undefined, position: undefined, problem }
    }
  }
}

function decode(update: Uint8Array): void {
  try {
    Y.decodeUpdate(update)
  } catch (cause) {
    throw new StorageError('storage/corrupt', `not a Yjs update: ${String(cause)}`, { cause })
  }
}
