import { claimChecksum, parseClaim } from '../client-claim.ts'
import { DOCUMENT_COLUMNS, type DocumentKey, documentChecksum, parseRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { Disowned, PersonTrace } from '../people-store.ts'
import { ROW_COLUMNS, sealRow, verifiedRow } from '../update-row.ts'
import { parseVersion, sealVersion, VERSION_COLUMNS } from '../version-row.ts'
import { disownNextPack } from './pack-disowner.ts'
import { type Session, toBytes, toText } from './session.ts'

/** What one transaction changes, at most. */
const STEP_ROWS = 200
const STEP_BYTES = 1024 * 1024

type Write = <T>(work: (session: Session) => Promise<T>) => Promise<T>

/** How a table says whose a row is, and how one row is given to somebody else. */
interface Owned {
  readonly table: 'updates' | 'clients' | 'versions'
  /** What tells the rows of a document apart, its type, and what comes before all of them. */
  readonly key: readonly [column: string, type: string, lowest: number | string]
  readonly owner: 'author' | 'owner'
  readonly columns: string
  readonly save: (session: Session, document: DocumentKey, values: readonly unknown[]) => Promise<unknown>
}

/**
 * Gives what a user wrote to a pseudonym, as PeopleStore says, each step in a transaction of its own. `traces` are the user's,
 * so that a step looks through one document only.
 */
export async function disown(
  write: Write,
  keys: KeyRing | undefined,
  traces: AsyncIterable<PersonTrace>,
  { user, pseudonym }: { readonly user: string; readonly pseudonym: string },
): Promise<Disowned> {
  const owner = toBytes(user)
  const tables = ownedTables(keys, pseudonym)
  let [clients, updates, versions] = [0, 0, 0]
  for await (const trace of traces) {
    if (trace.clients > 0) clients += await disownEach(write, tables.clients, trace.document, owner)
    if (trace.updates > 0) {
      updates += await disownEach(write, tables.updates, trace.document, owner)
      // After the rows, which may have been packed since.
      updates += await disownPacks(write, keys, trace.document, { user, pseudonym })
    }
    if (trace.versions > 0) versions += await disownEach(write, tables.versions, trace.document, owner)
  }
  const deletions = await inSteps(write, (session) => disownDeletions(session, owner, pseudonym))
  const seen = await inSteps(write, (session) => forgetSeen(session, owner))
  return { clients, updates, versions, deletions, seen }
}

function ownedTables(keys: KeyRing | undefined, pseudonym: string): Readonly<Record<Owned['table'], Owned>> {
  const other = toBytes(pseudonym)
  return {
    clients: {
      table: 'clients',
      key: ['client', 'bigint', -1],
      owner: 'owner',
      columns: 'client, owner, position, checksum',
      save(session, document, [client, name, ...others]) {
        const claim = { ...parseClaim(document, [client, toText(name), ...others]), user: pseudonym }
        return session.rows(
          'UPDATE coweave.clients SET owner = $3, checksum = $4 WHERE document = $1 AND client = $2',
          [...[document.id, claim.client, other, claimChecksum(document.id, claim)]],
        )
      },
    },
    updates: {
      table: 'updates',
      key: ['position', 'bigint', -1],
      owner: 'author',
      columns: ROW_COLUMNS,
      save(session, document, [position, at, name, ...others]) {
        const row = verifiedRow(keys, document, [position, at, toText(name), ...others])
        const { key, data, checksum } = sealRow(keys, document, { ...row, author: pseudonym })
        return session.rows(
          `UPDATE coweave.updates SET author = $3, key = $4, data = $5, checksum = $6
           WHERE document = $1 AND position = $2`,
          [document.id, row.position, other, key, data, checksum],
        )
      },
    },
    versions: {
      table: 'versions',
      key: ['id', 'text', ''],
      owner: 'author',
      columns: VERSION_COLUMNS,
      save(session, document, [id, position, name, ...others]) {
        const version = { ...parseVersion(keys, document, [id, position, toText(name), ...others]), author: pseudonym }
        const { key, data, checksum } = sealVersion(keys, document, version)
        return session.rows(
          'UPDATE coweave.versions SET author = $3, key = $4, data = $5, checksum = $6 WHERE document = $1 AND id = $2',
          [document.id, version.id, other, key, data, checksum],
        )
      },
    },
  }
}

async function disownEach(write: Write, owned: Owned, document: string, user: Uint8Array): Promise<number> {
  const { table, owner, columns, save } = owned
  const [key, type, lowest] = owned.key
  const selected = columns
    .split(', ')
    .map((column) => `t.${column}`)
    .join(', ')
  const size = table === 'clients' ? '0' : 'octet_length(t.data)'
  let changed = 0
  let after: unknown = lowest
  while (after !== undefined) {
    const last: unknown = after
    after = await write(async (session) => {
      if (table === 'updates') await lockCompaction(session, document)
      const rows = await session.rows(
        `SELECT t.${key}, d.id, ${size}, ${selected} FROM coweave.documents d
         JOIN coweave.${table} t ON t.document = d.id
         WHERE d.name = $1 AND t.${key} > $2::${type} AND t.${owner} = $3
         ORDER BY t.${key} LIMIT ${STEP_ROWS} FOR UPDATE OF t`,
        [document, last, user],
      )
      let bytes = 0
      let place: unknown
      for (const [at, id, length, ...values] of rows) {
        if (bytes >= STEP_BYTES) break
        await save(session, { id: Number(id), name: document }, values)
        bytes += Number(length)
        changed += 1
        place = at
      }
      return place
    })
  }
  return changed
}

async function disownPacks(
  write: Write,
  keys: KeyRing | undefined,
  document: string,
  person: { readonly user: string; readonly pseudonym: string },
): Promise<number> {
  let sum = 0
  for (let after: number | undefined = 0; after !== undefined; ) {
    const place: { document: string; after: number } = { document, after }
    const step = await write(async (session) => {
      await lockCompaction(session, document)
      return await disownNextPack(session, keys, place, person)
    })
    sum += step?.count ?? 0
    after = step?.last
  }
  return sum
}

/** Whoever packs rows has read them before: nobody else does so while they change. */
async function lockCompaction(session: Session, document: string): Promise<void> {
  await session.run('SET LOCAL lock_timeout = 0')
  await session.rows(`SELECT pg_advisory_xact_lock(hashtextextended('coweave.compact:' || $1, 0))`, [document])
}

async function disownDeletions(session: Session, user: Uint8Array, pseudonym: string): Promise<number> {
  const rows = await session.rows(
    `SELECT ${DOCUMENT_COLUMNS} FROM coweave.documents WHERE deleted_at IS NOT NULL AND deleted_by = $1
     ORDER BY name LIMIT ${STEP_ROWS} FOR UPDATE`,
    [user],
  )
  for (const record of rows.map(parseRecord)) {
    const { tombstone } = record
    if (tombstone === undefined) continue
    const disowned = { ...record, tombstone: { ...tombstone, by: pseudonym } }
    await session.rows('UPDATE coweave.documents SET deleted_by = $2, checksum = $3 WHERE id = $1', [
      ...[record.id, toBytes(pseudonym), documentChecksum(disowned)],
    ])
  }
  return rows.length
}

async function forgetSeen(session: Session, user: Uint8Array): Promise<number> {
  const rows = await session.rows(
    `DELETE FROM coweave.seen WHERE (document, owner) IN (
       SELECT document, owner FROM coweave.seen WHERE owner = $1 LIMIT ${STEP_ROWS}) RETURNING 1`,
    [user],
  )
  return rows.length
}

async function inSteps(write: Write, step: (session: Session) => Promise<number>): Promise<number> {
  let sum = 0
  for (let changed = await write(step); changed > 0; changed = await write(step)) sum += changed
  return sum
}
