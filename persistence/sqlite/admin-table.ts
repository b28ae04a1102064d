import type { Database } from 'better-sqlite3'
import {
  ACTION_COLUMNS,
  type AdminAction,
  type AdminStore,
  actionChecksum,
  parseAction,
  parseRestriction,
  RESTRICTION_COLUMNS,
  restrictionChecksum,
} from '../admin-store.ts'
import { figuresOf } from '../document-figures.ts'
import type { Damage } from '../update-log.ts'
import { documentFinder } from './document-table.ts'
import { damagesOf, pagedRows } from './row-check.ts'
import { snapshotFinder } from './snapshot-table.ts'

/** A call of an AdminStore, as its worker gets it. */
export type AdminCall = {
  [Name in keyof AdminStore]: { readonly name: Name; readonly given: Parameters<AdminStore[Name]> }
}[keyof AdminStore]

export type AdminReads = 'actions' | 'restrictions' | 'figures'

type Answers<Name extends keyof AdminStore> = (
  ...given: Parameters<AdminStore[Name]>
) => Awaited<ReturnType<AdminStore[Name]>>

/** What a reader answers. */
export function adminReader(db: Database): { [Name in AdminReads]: Answers<Name> } {
  const actions = db
    .prepare<[number, number], unknown[]>(
      `SELECT ${ACTION_COLUMNS} FROM admin_actions WHERE number < ? ORDER BY number DESC LIMIT ?`,
    )
    .raw()
  const restrictions = db
    .prepare<[number], unknown[]>(`SELECT ${RESTRICTION_COLUMNS} FROM restrictions WHERE version > ? ORDER BY version`)
    .raw()
  const find = documentFinder(db)
  const findSnapshot = snapshotFinder(db)
  const figures = db.transaction((name: string) => {
    const record = find(name)
    return record && figuresOf(record, findSnapshot(record))
  })
  return {
    actions: ({ before = Number.MAX_SAFE_INTEGER, limit }) => actions.all(before, limit).map(parseAction),
    restrictions: ({ after }) => restrictions.all(after).map(parseRestriction),
    figures,
  }
}

/** What the writer answers; call each inside a transaction. */
export function adminTables(db: Database): { [Name in Exclude<keyof AdminStore, AdminReads>]: Answers<Name> } {
  const lastAction = db.prepare<[], number>('SELECT coalesce(max(number), 0) FROM admin_actions').pluck()
  const insert = db.prepare(
    `INSERT INTO admin_actions (${ACTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  )
  const find = db.prepare<[number], unknown[]>(`SELECT ${ACTION_COLUMNS} FROM admin_actions WHERE number = ?`).raw()
  const end = db.prepare('UPDATE admin_actions SET outcome = ?, checksum = ? WHERE number = ?')
  const lastVersion = db.prepare<[], number>('SELECT coalesce(max(version), 0) FROM restrictions').pluck()
  const restrict = db.prepare(
    `INSERT OR REPLACE INTO restrictions (${RESTRICTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  )

  function store(row: AdminAction): void {
    const { number, at, admin, action, user, document, detail, outcome } = row
    insert.run(number, at, admin, action, user, document, detail, outcome ?? null, actionChecksum(row))
  }

  return {
    begin(action) {
      const number = (lastAction.get() ?? 0) + 1
      store({ ...action, number, outcome: undefined })
      return number
    },
    end(number, outcome) {
      const values = find.get(number)
      const action = values && parseAction(values)
      if (action === undefined || action.outcome !== undefined) return
      end.run(outcome, actionChecksum({ ...action, outcome }), number)
    },
    restore(actions) {
      actions.forEach(store)
    },
    restrict(given) {
      const version = (lastVersion.get() ?? 0) + 1
      const { kind, user, document, at, until, by } = given
      restrict.run(version, kind, user, document, at, until ?? null, by, restrictionChecksum({ ...given, version }))
      return version
    },
  }
}

/** Each damaged action and restriction. */
export function* adminDamages(db: Database): Generator<Damage, void, undefined> {
  const actions = { table: 'admin_actions', columns: ACTION_COLUMNS, key: 'number' }
  yield* damagesOf(pagedRows(db, actions), parseAction)
  const restrictions = { table: 'restrictions', columns: RESTRICTION_COLUMNS, key: 'version' }
  yield* damagesOf(pagedRows(db, restrictions), parseRestriction)
}
