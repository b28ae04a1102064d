import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import {
  type ClaimedPush,
  openSubscription,
  type PushOutcome,
  type PushStore,
  type RoomSubscription,
  sameSubscription,
  sealSubscription,
  subscriptionId,
  type WaitingRoom,
} from '../push-store.ts'
import type { NewUpdate } from '../update-log.ts'
import { messageFinder } from './message-table.ts'

/** A call of a PushStore, as its worker gets it. */
export type PushCall = {
  [Name in keyof PushStore]: { readonly name: Name; readonly given: Parameters<PushStore[Name]> }
}[keyof PushStore]

export type PushReads = 'upcoming' | 'subscriptions'

type Answers<Name extends keyof PushStore> = (
  ...given: Parameters<PushStore[Name]>
) => Awaited<ReturnType<PushStore[Name]>>

interface SubscriptionRow {
  readonly id: string
  readonly room: string
  readonly at: number
  readonly key: string | null
  readonly data: Uint8Array
}

/** Returns a function that leaves a push for each message of an update and subscription; call it inside a transaction. */
export function pushWriter(db: Database): (update: NewUpdate) => void {
  const insert = db.prepare(
    `INSERT INTO pushes (subscription, message, at, due_at, attempts)
     SELECT id, ?, ?, ?, 0 FROM push_subscriptions WHERE room = ?`,
  )
  return ({ at, pushAt, messages = [] }) => {
    if (pushAt === undefined) return
    for (const { room, id } of messages) insert.run(id, at, pushAt, room)
  }
}

/** What a reader answers. */
export function pushReader(db: Database, keys: KeyRing | undefined): { [Name in PushReads]: Answers<Name> } {
  const due = db.prepare<[number]>('SELECT 1 FROM pushes WHERE due_at <= ? LIMIT 1')
  const waiting = db.prepare<[number, number], WaitingRoom>(
    `SELECT s.room, max(p.at) AS at FROM pushes p JOIN push_subscriptions s ON s.id = p.subscription
     WHERE p.due_at > ? AND p.due_at <= ? GROUP BY s.room`,
  )
  const page = db.prepare<[string, number], SubscriptionRow>(
    'SELECT id, room, at, key, data FROM push_subscriptions WHERE id > ? ORDER BY id LIMIT ?',
  )
  return {
    upcoming: ({ now, until }) => ({ isDue: due.get(now) !== undefined, waiting: waiting.all(now, until) }),
    subscriptions({ after = '', limit }) {
      const rows = page.all(after, limit)
      const subscriptions = rows.flatMap((row): RoomSubscription[] => {
        const subscription = openSubscription(keys, row)
        return subscription === undefined ? [] : [{ room: row.room, at: row.at, subscription }]
      })
      return { subscriptions, next: rows.length < limit ? undefined : rows.at(-1)?.id }
    },
  }
}

/** What the writer answers; call each inside a transaction. */
export function pushTables(
  db: Database,
  keys: KeyRing | undefined,
): { [Name in Exclude<keyof PushStore, PushReads>]: Answers<Name> } {
  const find = db.prepare<[string], SubscriptionRow>(
    'SELECT id, room, at, key, data FROM push_subscriptions WHERE id = ?',
  )
  const save = db.prepare(
    `INSERT INTO push_subscriptions (id, room, at, key, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
     room = excluded.room, at = excluded.at, key = excluded.key, data = excluded.data`,
  )
  const tooMany = db
    .prepare<[string, number], string>(
      'SELECT id FROM push_subscriptions WHERE room = ? ORDER BY at DESC, id LIMIT -1 OFFSET ?',
    )
    .pluck()
  const end = db.prepare('DELETE FROM push_subscriptions WHERE id = ?')
  const forgetAll = db.prepare('DELETE FROM pushes WHERE subscription = ?')
  const forgetUntil = db.prepare(
    `DELETE FROM pushes WHERE at <= ? AND subscription IN (SELECT id FROM push_subscriptions WHERE room = ?)`,
  )
  const claim = db.prepare<
    [number, number, number],
    Record<'id' | 'at' | 'attempts', number> & Record<'subscription' | 'message', string>
  >(
    `UPDATE pushes SET due_at = ?, attempts = attempts + 1
     WHERE id IN (SELECT id FROM pushes WHERE due_at <= ? ORDER BY due_at LIMIT ?)
     RETURNING id, at, attempts, subscription, message`,
  )
  const finish = db.prepare('DELETE FROM pushes WHERE id = ?')
  const postpone = db.prepare('UPDATE pushes SET due_at = ? WHERE id = ?')
  const findMessage = messageFinder(db, keys)

  function drop(id: string): void {
    forgetAll.run(id)
    end.run(id)
  }

  /** The JSON of a message, undefined when it can't be read: that must not keep others from being claimed. */
  function jsonOf(room: string, id: string): string | undefined {
    try {
      const [message] = findMessage(room, id)
      return message && Buffer.from(message.data).toString()
    } catch {
      return undefined
    }
  }

  function contentOf(row: SubscriptionRow | undefined, message: string): ClaimedPush['content'] {
    const subscription = row && openSubscription(keys, row)
    const json = row && jsonOf(row.room, message)
    return row === undefined || subscription === undefined || json === undefined
      ? undefined
      : { id: row.id, subscription, json }
  }

  return {
    subscribe(wanted, { max }) {
      const id = subscriptionId(wanted.subscription.endpoint)
      const before = find.get(id)
      const known = before && openSubscription(keys, before)
      if (known !== undefined && !sameSubscription(known, wanted.subscription)) return false
      if (before?.room !== wanted.room) forgetAll.run(id)
      const { key, data } = sealSubscription(keys, wanted)
      save.run(id, wanted.room, wanted.at, key, data)
      tooMany.all(wanted.room, max).forEach(drop)
      return true
    },
    unsubscribe(room, endpoint) {
      const id = subscriptionId(endpoint)
      if (find.get(id)?.room === room) drop(id)
    },
    endAll(room) {
      const ids = tooMany.all(room, 0)
      ids.forEach(drop)
      return ids.length
    },
    cancel(rooms) {
      for (const { room, at } of rooms) forgetUntil.run(at, room)
    },
    claim({ now, until, limit }) {
      return claim.all(until, now, limit).map(({ id, at, attempts, subscription, message }) => {
        const row = find.get(subscription)
        return { id, room: row?.room ?? '', at, attempts, content: contentOf(row, message) }
      })
    },
    settle({ done, again, gone }: PushOutcome) {
      for (const id of done) finish.run(id)
      for (const { id, dueAt } of again) postpone.run(dueAt, id)
      gone.forEach(drop)
    },
  }
}
