import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import {
  EVENT_COLUMNS,
  EVENT_PAGE_BYTES,
  type EventStore,
  type NewEvent,
  parseEvent,
  readEvent,
  type StoredEvent,
  sealEvent,
} from '../event-store.ts'
import type { Damage } from '../update-log.ts'
import { changeTaker, untoldReader } from './change-table.ts'
import { damagesOf, pagedRows } from './row-check.ts'
import { UNPLANNED } from './unplanned.ts'
import { deliveryForgetter } from './webhook-table.ts'

/** A call of an EventStore, as its worker gets it. */
export type EventCall = {
  [Name in keyof EventStore]: { readonly name: Name; readonly given: Parameters<EventStore[Name]> }
}[keyof EventStore]

export type EventReads = 'read' | 'last' | 'untold' | 'passed'

type Answers<Name extends keyof EventStore> = (
  ...given: Parameters<EventStore[Name]>
) => Awaited<ReturnType<EventStore[Name]>>

/** Returns a function that stores events whose ids are new; call it inside a transaction. */
export function eventWriter(db: Database, keys: KeyRing | undefined): (events: readonly NewEvent[]) => void {
  const insert = db.prepare(
    `INSERT INTO events (id, kind, at, document, key, data, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO NOTHING`,
  )
  return (events) => {
    for (const event of events) {
      const { id, kind, at, document } = event
      const { key, data, checksum } = sealEvent(keys, event)
      insert.run(id, kind, at, document, key, data, checksum)
    }
  }
}

/** Returns a function that stores events under the numbers they have; call it inside a transaction. */
export function eventRestorer(
  db: Database,
  keys: KeyRing | undefined,
): (events: readonly StoredEvent[], last: number) => void {
  const insert = db.prepare(
    `INSERT INTO events (number, id, kind, at, document, key, data, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  )
  const raise = db.prepare(`UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'`)
  const begin = db.prepare(`INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)`)
  return (events, last) => {
    for (const event of events) {
      const { number, id, kind, at, document } = event
      const { key, data, checksum } = sealEvent(keys, event)
      insert.run(number, id, kind, at, document, key, data, checksum)
    }
    if (raise.run(last).changes === 0) begin.run(last)
  }
}

/** What a reader answers. */
export function eventReader(db: Database, keys: KeyRing | undefined): { [Name in EventReads]: Answers<Name> } {
  const all = db
    .prepare<[number, number], unknown[]>(
      `SELECT ${EVENT_COLUMNS} FROM events WHERE number > ? ORDER BY number LIMIT ${UNPLANNED}`,
    )
    .raw()
  const ofKind = db
    .prepare<[string, number, number], unknown[]>(
      `SELECT ${EVENT_COLUMNS} FROM events
       WHERE kind = ${UNPLANNED} AND number > ? ORDER BY number LIMIT ${UNPLANNED}`,
    )
    .raw()
  const last = db.prepare<[], number>(`SELECT seq FROM sqlite_sequence WHERE name = 'events'`).pluck()
  const passed = db.prepare<[string], number>('SELECT last FROM event_consumers WHERE name = ?').pluck()
  return {
    passed: (consumer) => passed.get(consumer) ?? 0,
    read({ after, limit, kind }) {
      const page: StoredEvent[] = []
      let bytes = 0
      const rows = kind === undefined ? all.iterate(after, limit) : ofKind.iterate(kind, after, limit)
      for (const values of rows) {
        const event = readEvent(keys, values)
        page.push(event)
        bytes += lengthOf(values)
        if (bytes >= EVENT_PAGE_BYTES) break
      }
      return page
    },
    last: () => last.get() ?? 0,
    untold: untoldReader(db),
  }
}

/** What the writer answers; call each inside a transaction. */
export function eventTables(
  db: Database,
  keys: KeyRing | undefined,
): { [Name in Exclude<keyof EventStore, EventReads>]: Answers<Name> } {
  const forget = db.prepare(
    `DELETE FROM events WHERE number IN (
       SELECT number FROM (SELECT number, at FROM events ORDER BY number LIMIT ?) WHERE at < ?
     )`,
  )
  const remove = db.prepare('DELETE FROM events WHERE number = ?')
  const claim = db
    .prepare<[string, string, number, number], number>(
      `INSERT INTO event_consumers (name, last, owner, until) VALUES (?, 0, ?, ?)
       ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
       WHERE event_consumers.owner = excluded.owner OR event_consumers.until <= ?
       RETURNING last`,
    )
    .pluck()
  const pass = db.prepare('UPDATE event_consumers SET last = max(last, ?) WHERE name = ? AND owner = ?')
  const release = db.prepare('UPDATE event_consumers SET until = 0 WHERE name = ? AND owner = ?')
  const write = eventWriter(db, keys)
  const takeChanges = changeTaker(db)
  const forgetDeliveries = deliveryForgetter(db)
  return {
    add: write,
    tellChanges: (documents) => write(takeChanges(documents)),
    forget({ before, limit }) {
      const { changes } = forget.run(limit, before)
      if (changes > 0) forgetDeliveries()
      return changes
    },
    remove(numbers) {
      const removed = numbers.reduce((sum, number) => sum + remove.run(number).changes, 0)
      forgetDeliveries(numbers)
      return removed
    },
    claim: (consumer, { owner, forMs }) => claim.get(consumer, owner, Date.now() + forMs, Date.now()),
    pass: (consumer, { owner, last }) => pass.run(last, consumer, owner).changes > 0,
    release(consumer, owner) {
      release.run(consumer, owner)
    },
  }
}

/** Each damaged event. */
export function eventDamages(db: Database, keys: KeyRing | undefined): Generator<Damage, void, undefined> {
  const rows = pagedRows(db, { table: 'events', columns: EVENT_COLUMNS, key: 'number' })
  return damagesOf(rows, (values) => parseEvent(keys, values))
}

function lengthOf(values: readonly unknown[]): number {
  return values.reduce<number>((sum, value) => sum + (value instanceof Uint8Array ? value.length : 0), 0)
}
