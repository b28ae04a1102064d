import type { KeyRing } from '../encryption.ts'
import type { Damage } from '../update-log.ts'
import {
  type Backlog,
  DELIVERY_COLUMNS,
  type Delivery,
  deliveryChecks,
  deliveryValues,
  parseDelivery,
  parseWebhook,
  State,
  sealWebhook,
  stateNumber,
  WEBHOOK_COLUMNS,
  type Webhook,
  type WebhookStore,
} from '../webhook-store.ts'
import type { Connections } from './connections.ts'
import { attempt } from './problem.ts'
import type { Session } from './session.ts'

type Given<Name extends keyof WebhookStore> = Parameters<WebhookStore[Name]>

/** Who ends a delivery looks for the one that waits for it, and who adds one for what it has to wait for: one at a time. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('coweave.deliveries', 0))`

/** As WebhookStore says; what writes is to be called inside a transaction. */
export async function listWebhooks(session: Session, keys: KeyRing | undefined): Promise<Webhook[]> {
  const rows = await session.rows(`SELECT ${WEBHOOK_COLUMNS} FROM coweave.webhooks ORDER BY at, id`)
  return rows.map((values) => parseWebhook(keys, values))
}

export async function putWebhook(
  session: Session,
  keys: KeyRing | undefined,
  [webhook, { max }]: Given<'put'>,
): Promise<boolean> {
  await session.rows(LOCK)
  const [[others] = []] = await session.rows('SELECT count(*) FROM coweave.webhooks WHERE id <> $1', [webhook.id])
  if (Number(others) >= max) return false
  const { key, data } = sealWebhook(keys, webhook)
  await session.rows(
    `INSERT INTO coweave.webhooks (${WEBHOOK_COLUMNS}) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET key = excluded.key, data = excluded.data`,
    [webhook.id, webhook.at, webhook.after, key, data],
  )
  return true
}

export async function removeWebhook(session: Session, id: string): Promise<boolean> {
  await session.rows(LOCK)
  await session.rows('DELETE FROM coweave.deliveries WHERE webhook = $1', [id])
  return (await session.rows('DELETE FROM coweave.webhooks WHERE id = $1 RETURNING 1', [id])).length > 0
}

export async function enqueue(
  session: Session,
  [deliveries, { consumer, owner, last, now }]: Given<'enqueue'>,
): Promise<void> {
  await session.rows(LOCK)
  const passed = await session.rows(
    'UPDATE coweave.event_consumers SET last = $1 WHERE name = $2 AND owner = $3 AND last < $1 RETURNING 1',
    [last, consumer, owner],
  )
  if (passed.length === 0) return
  await session.rows(
    `INSERT INTO coweave.deliveries (${DELIVERY_COLUMNS})
     SELECT webhook, event, document, ${State.Waiting}, $4::bigint, 0, CASE WHEN document <> '' AND (
         lag(event) OVER (PARTITION BY webhook, document ORDER BY event) IS NOT NULL OR EXISTS (
           SELECT 1 FROM coweave.deliveries d
           WHERE d.webhook = given.webhook AND d.document = given.document AND d.state = ${State.Waiting})
       ) THEN NULL ELSE $4::bigint END, ''
     FROM unnest($1::text[], $2::bigint[], $3::text[]) AS given (webhook, event, document)
     WHERE webhook IN (SELECT id FROM coweave.webhooks) ON CONFLICT DO NOTHING`,
    [
      deliveries.map(({ webhook }) => webhook),
      deliveries.map(({ event }) => event),
      deliveries.map(({ document }) => document),
      now,
    ],
  )
}

export async function dueWebhooks(session: Session, now: number): Promise<string[]> {
  const rows = await session.rows(
    `SELECT id FROM coweave.webhooks w
     WHERE EXISTS (SELECT 1 FROM coweave.deliveries WHERE webhook = w.id AND due_at <= $1)`,
    [now],
  )
  return rows.map(([id]) => String(id))
}

/** Passes over what another instance is just claiming. */
export async function claimDeliveries(session: Session, [{ now, until, limits }]: Given<'claim'>): Promise<Delivery[]> {
  const claimed: Delivery[] = []
  for (const { webhook, limit } of limits) {
    const rows = await session.rows(
      `UPDATE coweave.deliveries SET due_at = $1, attempts = attempts + 1 WHERE webhook = $2 AND event IN (
         SELECT event FROM coweave.deliveries WHERE webhook = $2 AND due_at <= $3 ORDER BY due_at, event LIMIT $4
         FOR UPDATE SKIP LOCKED
       ) RETURNING ${DELIVERY_COLUMNS}`,
      [until, webhook, now, limit],
    )
    claimed.push(...rows.map(parseDelivery))
  }
  return claimed
}

export async function settleDeliveries(session: Session, [outcomes, { now }]: Given<'settle'>): Promise<void> {
  await session.rows(LOCK)
  for (const { webhook, event, became, dueAt, problem } of outcomes) {
    if (became === 'again') {
      const postpone = `UPDATE coweave.deliveries SET due_at = $3, problem = $4
        WHERE webhook = $1 AND event = $2 AND state <> ${State.Dead}`
      await session.rows(postpone, [webhook, event, dueAt, problem])
      continue
    }
    const ended =
      became === 'done'
        ? await session.rows('DELETE FROM coweave.deliveries WHERE webhook = $1 AND event = $2 RETURNING document', [
            webhook,
            event,
          ])
        : await session.rows(
            `UPDATE coweave.deliveries SET state = ${State.Dead}, due_at = NULL, problem = $3
             WHERE webhook = $1 AND event = $2 RETURNING document`,
            [webhook, event, problem],
          )
    const [[document = ''] = []] = ended
    if (document === '') continue
    await session.rows(
      `UPDATE coweave.deliveries SET due_at = $1 WHERE due_at IS NULL AND webhook = $2 AND event = (
         SELECT min(event) FROM coweave.deliveries WHERE webhook = $2 AND document = $3 AND state = ${State.Waiting})`,
      [now, webhook, document],
    )
  }
}

export async function pageOfDeliveries(
  session: Session,
  [webhook, { state, after, limit }]: Given<'deliveries'>,
): Promise<Delivery[]> {
  const rows = await session.rows(
    `SELECT ${DELIVERY_COLUMNS} FROM coweave.deliveries
     WHERE webhook = $1 AND event > $2 AND ($3::int IS NULL OR state = $3) ORDER BY event LIMIT $4`,
    [webhook, after, state === undefined ? null : stateNumber(state), limit],
  )
  return rows.map(parseDelivery)
}

export async function readBacklog(session: Session): Promise<Backlog> {
  const [[deliveries = 0, since] = []] = await session.rows(
    `SELECT count(*), min(at) FROM coweave.deliveries WHERE state <> ${State.Dead}`,
  )
  return { deliveries: Number(deliveries), since: typeof since === 'number' ? since : undefined }
}

export async function resendDelivery(
  session: Session,
  [{ webhook, event }, { now }]: Given<'resend'>,
): Promise<boolean> {
  const rows = await session.rows(
    `UPDATE coweave.deliveries SET state = ${State.Resent}, attempts = 0, at = $1, due_at = $1
     WHERE webhook = $2 AND event = $3 AND state = ${State.Dead} RETURNING 1`,
    [now, webhook, event],
  )
  return rows.length > 0
}

/** Each webhook that can't be read, and deliveries that nobody would post. */
export async function* findWebhookDamages(
  connections: Connections,
  keys: KeyRing | undefined,
): AsyncGenerator<Damage, void, undefined> {
  const read = async function* (sql: string) {
    const { found = [], problem } = await attempt('webhooks', () => connections.read((session) => session.rows(sql)))
    if (problem !== undefined) yield { document: undefined, position: undefined, problem }
    return found
  }
  const webhooks = yield* read(`SELECT ${WEBHOOK_COLUMNS} FROM coweave.webhooks`)
  for (const values of webhooks) {
    const { problem } = await attempt('webhooks', async () => parseWebhook(keys, values))
    if (problem !== undefined) yield { document: undefined, position: undefined, problem }
  }
  for (const { sql, problem } of deliveryChecks('coweave.')) {
    for (const values of yield* read(sql)) yield { document: undefined, position: undefined, problem: problem(values) }
  }
}

/** Stores deliveries as they are; call it inside a transaction. */
export async function restoreDeliveries(session: Session, deliveries: readonly Delivery[]): Promise<void> {
  const rows = deliveries.map(deliveryValues)
  await session.rows(
    `INSERT INTO coweave.deliveries (${DELIVERY_COLUMNS})
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::bigint[], $6::int[], $7::bigint[], $8::text[])
     ON CONFLICT DO NOTHING`,
    Array.from({ length: 8 }, (_, column) => rows.map((row) => row[column])),
  )
}

/** Takes deliveries away of which the events are gone; call it behind that, in its transaction. */
export async function forgetDeliveries(session: Session, events?: readonly number[]): Promise<void> {
  await session.rows(LOCK)
  const gone = await (events === undefined ? forgetOldest(session) : forgetThose(session, events))
  if (gone.length === 0) return
  // Those that waited for one that is gone.
  await session.rows(
    `UPDATE coweave.deliveries AS d SET due_at = 0 WHERE state = ${State.Waiting} AND due_at IS NULL AND NOT EXISTS (
       SELECT 1 FROM coweave.deliveries e WHERE e.webhook = d.webhook AND e.document = d.document
         AND e.state = ${State.Waiting} AND e.event < d.event)`,
  )
}

function forgetThose(session: Session, events: readonly number[]): Promise<unknown[][]> {
  return session.rows('DELETE FROM coweave.deliveries WHERE event = ANY ($1::bigint[]) RETURNING 1', [events])
}

function forgetOldest(session: Session): Promise<unknown[][]> {
  return session.rows(
    `DELETE FROM coweave.deliveries
     WHERE event < (SELECT coalesce(min(number), ${Number.MAX_SAFE_INTEGER}) FROM coweave.events) RETURNING 1`,
  )
}
