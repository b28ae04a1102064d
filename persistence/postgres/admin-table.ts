import {
  ACTION_COLUMNS,
  type AdminAction,
  actionChecksum,
  type DocumentFigures,
  type NewAction,
  type NewRestriction,
  parseAction,
  parseRestriction,
  RESTRICTION_COLUMNS,
  type Restriction,
  restrictionChecksum,
} from '../admin-store.ts'
import { figuresOf } from '../document-figures.ts'
import type { Damage } from '../update-log.ts'
import type { Connections } from './connections.ts'
import { findHead } from './document-table.ts'
import { attempt } from './problem.ts'
import { type Session, toBytes, toText } from './session.ts'

/** Numbers and versions are given one after the other, and are visible in their order. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('coweave.admin', 0))`
const PAGE_ROWS = 500

/** As AdminStore says; call it inside a transaction. */
export async function beginAction(session: Session, action: NewAction): Promise<number> {
  await session.rows(LOCK)
  const [[last] = []] = await session.rows('SELECT coalesce(max(number), 0) FROM coweave.admin_actions')
  const number = Number(last) + 1
  await storeAction(session, { ...action, number, outcome: undefined })
  return number
}

export async function endAction(session: Session, number: number, outcome: string): Promise<void> {
  const [values] = await session.rows(
    `SELECT ${ACTION_COLUMNS} FROM coweave.admin_actions WHERE number = $1 FOR UPDATE`,
    [number],
  )
  const action = values && parseAction(values.map(toText))
  if (action === undefined || action.outcome !== undefined) return
  await session.rows('UPDATE coweave.admin_actions SET outcome = $2, checksum = $3 WHERE number = $1', [
    number,
    toBytes(outcome),
    actionChecksum({ ...action, outcome }),
  ])
}

export async function restoreActions(session: Session, actions: readonly AdminAction[]): Promise<void> {
  await session.rows(LOCK)
  for (const action of actions) await storeAction(session, action)
}

export async function pageOfActions(
  session: Session,
  { before = Number.MAX_SAFE_INTEGER, limit }: { readonly before?: number | undefined; readonly limit: number },
): Promise<AdminAction[]> {
  const rows = await session.rows(
    `SELECT ${ACTION_COLUMNS} FROM coweave.admin_actions WHERE number < $1 ORDER BY number DESC LIMIT $2`,
    [before, limit],
  )
  return rows.map((values) => parseAction(values.map(toText)))
}

export async function restrict(session: Session, given: NewRestriction): Promise<number> {
  await session.rows(LOCK)
  const [[last] = []] = await session.rows('SELECT coalesce(max(version), 0) FROM coweave.restrictions')
  const version = Number(last) + 1
  const { kind, user, document, at, until, by } = given
  await session.rows(
    `INSERT INTO coweave.restrictions (${RESTRICTION_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (kind, subject, document) DO UPDATE SET version = excluded.version, at = excluded.at,
     until = excluded.until, admin = excluded.admin, checksum = excluded.checksum`,
    [
      version,
      kind,
      toBytes(user),
      document,
      at,
      until ?? null,
      toBytes(by),
      restrictionChecksum({ ...given, version }),
    ],
  )
  return version
}

export async function readRestrictions(session: Session, after: number): Promise<Restriction[]> {
  const rows = await session.rows(
    `SELECT ${RESTRICTION_COLUMNS} FROM coweave.restrictions WHERE version > $1 ORDER BY version`,
    [after],
  )
  return rows.map((values) => parseRestriction(values.map(toText)))
}

export async function readFigures(session: Session, document: string): Promise<DocumentFigures | undefined> {
  const head = await findHead(session, document)
  return head && figuresOf(head.record, head.snapshot)
}

/** Each damaged action and restriction. */
export async function* findAdminDamages(connections: Connections): AsyncGenerator<Damage, void, undefined> {
  const tables = [
    { table: 'admin_actions', columns: ACTION_COLUMNS, order: 'number', parse: parseAction },
    { table: 'restrictions', columns: RESTRICTION_COLUMNS, order: 'version', parse: parseRestriction },
  ] as const
  for (const { table, columns, order, parse } of tables) {
    const sql = `SELECT ${columns} FROM coweave.${table} WHERE ${order} > $1 ORDER BY ${order} LIMIT ${PAGE_ROWS}`
    for (let last: unknown = 0; ; ) {
      const after = last
      const { found: page = [], problem } = await attempt(table, () => connections.read((s) => s.rows(sql, [after])))
      if (problem !== undefined) yield { document: undefined, position: undefined, problem }
      for (const values of page) {
        last = values[0]
        const { problem } = await attempt(table, async () => parse(values.map(toText)))
        if (problem !== undefined) yield { document: undefined, position: undefined, problem }
      }
      if (page.length < PAGE_ROWS) break
    }
  }
}

async function storeAction(session: Session, row: AdminAction): Promise<void> {
  const { number, at, admin, action, user, document, detail, outcome } = row
  await session.rows(
    `INSERT INTO coweave.admin_actions (${ACTION_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT DO NOTHING`,
    [
      number,
      at,
      toBytes(admin),
      action,
      toBytes(user),
      document,
      toBytes(detail),
      outcome === undefined ? null : toBytes(outcome),
      actionChecksum(row),
    ],
  )
}
