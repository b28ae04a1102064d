import type { KeyRing } from '../encryption.ts'
import {
  EVENT_COLUMNS,
  EVENT_PAGE_BYTES,
  type EventRange,
  joinEvents,
  type NewEvent,
  parseEvent,
  readEvent,
  type StoredEvent,
  sealEvent,
} from '../event-store.ts'
import type { Damage } from '../update-log.ts'
import type { Connections } from './connections.ts'
import { attempt } from './problem.ts'
import type { Session } from './session.ts'
import { forgetDeliveries } from './webhook-table.ts'

const PAGE_ROWS = 200
const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** Stores what happened; call it inside the transaction that makes it so, behind all other locks. */
export async function storeEvents(
  session: Session,
  keys: KeyRing | undefined,
  happened: readonly NewEvent[],
): Promise<void> {
  const events = joinEvents(happened)
  if (events.length === 0) return
  // Without its counter, an event has no number, and fails: it is not left out.
  await session.rows(
    `WITH counter AS (UPDATE coweave.event_counter SET last = last + $1 RETURNING last - $1 AS before)
     INSERT INTO coweave.events (${EVENT_COLUMNS})
     SELECT (SELECT before FROM counter) + given.nth, id, kind, at, document, key, data, checksum
     FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], $8::int[])
       WITH ORDINALITY AS given (id, kind, at, document, key, data, checksum, nth)
     ON CONFLICT (id) DO NOTHING`,
    [events.length, ...columnsOf(keys, events)],
  )
}

/** Stores events under the numbers they have; call it inside a transaction. */
export async function restoreEvents(
  session: Session,
  keys: KeyRing | undefined,
  events: readonly StoredEvent[],
  last: number,
): Promise<void> {
  await session.rows('UPDATE coweave.event_counter SET last = greatest(last, $1)', [last])
  if (events.length === 0) return
  await session.rows(
    `INSERT INTO coweave.events (${EVENT_COLUMNS})
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], $8::int[])
     ON CONFLICT DO NOTHING`,
    [events.map(({ number }) => number), ...columnsOf(keys, events)],
  )
}

/** As EventStore says. */
export async function readEvents(
  session: Session,
  keys: KeyRing | undefined,
  { after, limit, kind }: EventRange,
): Promise<StoredEvent[]> {
  const rows = await session.rows(
    `SELECT ${EVENT_COLUMNS} FROM (
       SELECT *, sum(octet_length(data)) OVER (ORDER BY number) - octet_length(data) AS before FROM (
         SELECT * FROM coweave.events WHERE number > $1 ${kind === undefined ? '' : 'AND kind = $4'} ORDER BY number LIMIT $2
       ) AS page
     ) AS measured WHERE before < $3 ORDER BY number`,
    [after, limit, EVENT_PAGE_BYTES, ...(kind === undefined ? [] : [kind])],
  )
  return rows.map((values) => readEvent(keys, values))
}

export async function lastNumber(session: Session): Promise<number> {
  const [[last] = []] = await session.rows('SELECT last FROM coweave.event_counter')
  return Number(last ?? 0)
}

export async function forgetEvents(
  session: Session,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<number> {
  const rows = await session.rows(
    `DELETE FROM coweave.events WHERE number IN (
       SELECT number FROM (SELECT number, at FROM coweave.events ORDER BY number LIMIT $1) AS oldest WHERE at < $2
     ) RETURNING 1`,
    [limit, before],
  )
  if (rows.length > 0) await forgetDeliveries(session)
  return rows.length
}

export async function removeEvents(session: Session, numbers: readonly number[]): Promise<number> {
  const rows = await session.rows('DELETE FROM coweave.events WHERE number = ANY ($1::bigint[]) RETURNING 1', [numbers])
  await forgetDeliveries(session, numbers)
  return rows.length
}

export async function claimConsumer(
  session: Session,
  consumer: string,
  { owner, forMs }: { readonly owner: string; readonly forMs: number },
): Promise<number | undefined> {
  const [row] = await session.rows(
    `INSERT INTO coweave.event_consumers AS known (name, last, owner, until) VALUES ($1, 0, $2, ${NOW} + $3)
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
     WHERE known.owner = excluded.owner OR known.until <= ${NOW}
     RETURNING last`,
    [consumer, owner, forMs],
  )
  return row && Number(row[0])
}

export async function passEvents(
  session: Session,
  consumer: string,
  { owner, last }: { readonly owner: string; readonly last: number },
): Promise<boolean> {
  const rows = await session.rows(
    'UPDATE coweave.event_consumers SET last = greatest(last, $1) WHERE name = $2 AND owner = $3 RETURNING 1',
    [last, consumer, owner],
  )
  return rows.length > 0
}

export async function lastPassed(session: Session, consumer: string): Promise<number> {
  const [[last = 0] = []] = await session.rows('SELECT last FROM coweave.event_consumers WHERE name = $1', [consumer])
  return Number(last)
}

export async function releaseConsumer(session: Session, consumer: string, owner: string): Promise<void> {
  await session.rows('UPDATE coweave.event_consumers SET until = 0 WHERE name = $1 AND owner = $2', [consumer, owner])
}

/** Each damaged event, and a counter that would give numbers again. */
export async function* findEventDamages(
  connections: Connections,
  keys: KeyRing | undefined,
): AsyncGenerator<Damage, void, undefined> {
  for (let last: unknown = 0; ; ) {
    const sql = `SELECT ${EVENT_COLUMNS} FROM coweave.events WHERE number > $1 ORDER BY number LIMIT ${PAGE_ROWS}`
    const { found: page = [], problem } = await attempt('events', () =>
      connections.read((session) => session.rows(sql, [last])),
    )
    if (problem !== undefined) yield { document: undefined, position: undefined, problem }
    for (const values of page) {
      last = values[0]
      const { problem } = await attempt('events', async () => parseEvent(keys, values))
      if (problem !== undefined) yield { document: undefined, position: undefined, problem }
    }
    if (page.length < PAGE_ROWS) break
  }
  const sql = 'SELECT 1 FROM coweave.event_counter WHERE last >= (SELECT coalesce(max(number), 0) FROM coweave.events)'
  const { found, problem } = await attempt('events', () => connections.read((session) => session.rows(sql)))
  if (found?.length === 1) return
  yield {
    document: undefined,
    position: undefined,
    problem: problem ?? 'the counter of events is missing or behind them',
  }
}

function columnsOf(keys: KeyRing | undefined, events: readonly NewEvent[]): unknown[][] {
  const sealed = events.map((event) => sealEvent(keys, event))
  return [
    events.map(({ id }) => id),
    events.map(({ kind }) => kind),
    events.map(({ at }) => at),
    events.map(({ document }) => document),
    sealed.map(({ key }) => key),
    sealed.map(({ data }) => data),
    sealed.map(({ checksum }) => checksum),
  ]
}
