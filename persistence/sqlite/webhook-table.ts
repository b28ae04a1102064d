import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import type { Damage } from '../update-log.ts'
import {
  type Backlog,
  DELIVERY_COLUMNS,
  type Delivery,
  deliveryChecks,
  deliveryValues,
  type NewDelivery,
  parseDelivery,
  parseWebhook,
  State,
  sealWebhook,
  stateNumber,
  WEBHOOK_COLUMNS,
  type WebhookStore,
} from '../webhook-store.ts'
import { damagesOf } from './row-check.ts'

/** A call of a WebhookStore, as its worker gets it. */
export type WebhookCall = {
  [Name in keyof WebhookStore]: { readonly name: Name; readonly given: Parameters<WebhookStore[Name]> }
}[keyof WebhookStore]

export type WebhookReads = 'list' | 'due' | 'deliveries' | 'backlog'

type Answers<Name extends keyof WebhookStore> = (
  ...given: Parameters<WebhookStore[Name]>
) => Awaited<ReturnType<WebhookStore[Name]>>

/** What a reader answers. */
export function webhookReader(db: Database, keys: KeyRing | undefined): { [Name in WebhookReads]: Answers<Name> } {
  const list = db.prepare<[], unknown[]>(`SELECT ${WEBHOOK_COLUMNS} FROM webhooks ORDER BY at, id`).raw()
  const due = db
    .prepare<[number], string>(
      `SELECT id FROM webhooks w WHERE EXISTS (SELECT 1 FROM deliveries WHERE webhook = w.id AND due_at <= ?)`,
    )
    .pluck()
  const page = db
    .prepare<[string, number, number | null, number | null, number], unknown[]>(
      `SELECT ${DELIVERY_COLUMNS} FROM deliveries
       WHERE webhook = ? AND event > ? AND (? IS NULL OR state = ?) ORDER BY event LIMIT ?`,
    )
    .raw()
  const backlog = db.prepare<[], { deliveries: number; since: number | null }>(
    `SELECT count(*) AS deliveries, min(at) AS since FROM deliveries WHERE state <> ${State.Dead}`,
  )
  return {
    list: () => list.all().map((values) => parseWebhook(keys, values)),
    due: (now) => due.all(now),
    deliveries(webhook, { state, after, limit }) {
      const wanted = state === undefined ? null : stateNumber(state)
      return page.all(webhook, after, wanted, wanted, limit).map(parseDelivery)
    },
    backlog(): Backlog {
      const { deliveries = 0, since } = backlog.get() ?? {}
      return { deliveries, since: since ?? undefined }
    },
  }
}

/** What the writer answers; call each inside a transaction. */
export function webhookTables(
  db: Database,
  keys: KeyRing | undefined,
): { [Name in Exclude<keyof WebhookStore, WebhookReads>]: Answers<Name> } {
  const count = db.prepare<[string], number>('SELECT count(*) FROM webhooks WHERE id <> ?').pluck()
  const save = db.prepare(
    `INSERT INTO webhooks (${WEBHOOK_COLUMNS}) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET key = excluded.key, data = excluded.data`,
  )
  const end = db.prepare('DELETE FROM webhooks WHERE id = ?')
  const endAll = db.prepare('DELETE FROM deliveries WHERE webhook = ?')
  const pass = db.prepare('UPDATE event_consumers SET last = ? WHERE name = ? AND owner = ? AND last < ?')
  const exists = db.prepare<[string]>('SELECT 1 FROM webhooks WHERE id = ?')
  const isHeld = db.prepare<[string, string]>(
    `SELECT 1 FROM deliveries WHERE webhook = ? AND document = ? AND state = ${State.Waiting} LIMIT 1`,
  )
  const insert = db.prepare(
    `INSERT INTO deliveries (${DELIVERY_COLUMNS}) VALUES (?, ?, ?, ${State.Waiting}, ?, 0, ?, '') ON CONFLICT DO NOTHING`,
  )
  const claim = db
    .prepare<[number, string, number, number], unknown[]>(
      `UPDATE deliveries SET due_at = ?, attempts = attempts + 1 WHERE (webhook, event) IN (
         SELECT webhook, event FROM deliveries WHERE webhook = ? AND due_at <= ? ORDER BY due_at, event LIMIT ?
       ) RETURNING ${DELIVERY_COLUMNS}`,
    )
    .raw()
  const find = db
    .prepare<[string, number], string>('SELECT document FROM deliveries WHERE webhook = ? AND event = ?')
    .pluck()
  const finish = db.prepare('DELETE FROM deliveries WHERE webhook = ? AND event = ?')
  const bury = db.prepare(
    `UPDATE deliveries SET state = ${State.Dead}, due_at = NULL, problem = ? WHERE webhook = ? AND event = ?`,
  )
  const postpone = db.prepare(
    `UPDATE deliveries SET due_at = ?, problem = ? WHERE webhook = ? AND event = ? AND state <> ${State.Dead}`,
  )
  const next = db.prepare(
    `UPDATE deliveries SET due_at = ? WHERE due_at IS NULL AND webhook = ? AND event = (
       SELECT min(event) FROM deliveries WHERE webhook = ? AND document = ? AND state = ${State.Waiting})`,
  )
  const resend = db.prepare(
    `UPDATE deliveries SET state = ${State.Resent}, attempts = 0, at = ?, due_at = ?
     WHERE webhook = ? AND event = ? AND state = ${State.Dead}`,
  )

  function store({ webhook, event, document }: NewDelivery, now: number): void {
    if (exists.get(webhook) === undefined) return // it has ended meanwhile
    const waits = document !== '' && isHeld.get(webhook, document) !== undefined
    insert.run(webhook, event, document, now, waits ? null : now)
  }

  return {
    put(webhook, { max }) {
      const { id, at, after } = webhook
      if ((count.get(id) ?? 0) >= max) return false
      const { key, data } = sealWebhook(keys, webhook)
      save.run(id, at, after, key, data)
      return true
    },
    remove(id) {
      endAll.run(id)
      return end.run(id).changes > 0
    },
    enqueue(deliveries, { consumer, owner, last, now }) {
      if (pass.run(last, consumer, owner, last).changes === 0) return
      for (const delivery of deliveries) store(delivery, now)
    },
    claim: ({ now, until, limits }) =>
      limits.flatMap(({ webhook, limit }) => claim.all(until, webhook, now, limit).map(parseDelivery)),
    settle(outcomes, { now }) {
      for (const { webhook, event, became, dueAt, problem } of outcomes) {
        const document = find.get(webhook, event)
        if (document === undefined) continue
        if (became === 'again') postpone.run(dueAt, problem, webhook, event)
        else {
          if (became === 'done') finish.run(webhook, event)
          else bury.run(problem, webhook, event)
          if (document !== '') next.run(now, webhook, webhook, document)
        }
      }
    },
    resend: ({ webhook, event }, { now }) => resend.run(now, now, webhook, event).changes > 0,
  }
}

/** Each webhook that can't be read, and deliveries that nobody would post. */
export function* webhookDamages(db: Database, keys: KeyRing | undefined): Generator<Damage, void, undefined> {
  const webhooks = db.prepare<[], unknown[]>(`SELECT ${WEBHOOK_COLUMNS} FROM webhooks`).raw().all()
  yield* damagesOf(webhooks, (values) => parseWebhook(keys, values))
  for (const { sql, problem } of deliveryChecks('')) {
    for (const values of db.prepare<[], unknown[]>(sql).raw().all()) {
      yield { document: undefined, position: undefined, problem: problem(values) }
    }
  }
}

/** Returns a function that stores deliveries as they are; call it inside a transaction. */
export function deliveryRestorer(db: Database): (deliveries: readonly Delivery[]) => void {
  const insert = db.prepare(
    `INSERT INTO deliveries (${DELIVERY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  )
  return (deliveries) => {
    for (const delivery of deliveries) insert.run(...deliveryValues(delivery))
  }
}

/**
 * Returns a function that takes deliveries away of which the events are gone, those of the numbers it is given or else the
 * oldest ones; call it behind that, in its transaction.
 */
export function deliveryForgetter(db: Database): (events?: readonly number[]) => void {
  const forget = db.prepare(
    `DELETE FROM deliveries WHERE webhook IN (SELECT id FROM webhooks)
       AND event < (SELECT coalesce(min(number), ${Number.MAX_SAFE_INTEGER}) FROM events)`,
  )
  const remove = db.prepare<[number]>('DELETE FROM deliveries WHERE webhook IN (SELECT id FROM webhooks) AND event = ?')
  // Those that waited for one that is gone.
  const release = db.prepare(
    `UPDATE deliveries AS d SET due_at = 0 WHERE state = ${State.Waiting} AND due_at IS NULL AND NOT EXISTS (
       SELECT 1 FROM deliveries WHERE webhook = d.webhook AND document = d.document AND state = ${State.Waiting}
         AND event < d.event)`,
  )
  return (events) => {
    const gone = events?.reduce((sum, event) => sum + remove.run(event).changes, 0) ?? forget.run().changes
    if (gone > 0) release.run()
  }
}
