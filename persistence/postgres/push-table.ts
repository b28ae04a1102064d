import type { KeyRing } from '../encryption.ts'
import {
  type ClaimedPush,
  openSubscription,
  type PushOutcome,
  type RoomSubscription,
  sameSubscription,
  sealSubscription,
  subscriptionId,
  type WaitingRoom,
} from '../push-store.ts'
import { StorageError } from '../storage-error.ts'
import type { NewUpdate } from '../update-log.ts'
import { findMessage } from './message-table.ts'
import { type Session, toBytes, toText } from './session.ts'

/** Leaves a push for each message of these updates and subscription; call it inside the transaction that stores them. */
export async function storePushes(session: Session, updates: readonly NewUpdate[]): Promise<void> {
  const wanted = updates.flatMap(({ at, pushAt, messages = [] }) =>
    pushAt === undefined ? [] : messages.map(({ room, id }) => ({ room, id, at, pushAt })),
  )
  if (wanted.length === 0) return
  await session.rows(
    `INSERT INTO coweave.pushes (subscription, message, at, due_at, attempts)
     SELECT s.id, given.message, given.at, given.due_at, 0
     FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[]) AS given (room, message, at, due_at)
     JOIN coweave.push_subscriptions s ON s.room = given.room`,
    [
      wanted.map(({ room }) => room),
      wanted.map(({ id }) => toBytes(id)),
      wanted.map(({ at }) => at),
      wanted.map(({ pushAt }) => pushAt),
    ],
  )
}

/** As PushStore says; call it inside a transaction. */
export async function subscribe(
  session: Session,
  keys: KeyRing | undefined,
  wanted: RoomSubscription,
  max: number,
): Promise<boolean> {
  const id = subscriptionId(wanted.subscription.endpoint)
  // Two who take the same endpoint, or the last place of a room, at once: one after the other.
  await session.rows(`SELECT pg_advisory_xact_lock(hashtextextended('coweave.push_subscriptions', 0))`)
  const [before] = await session.rows('SELECT room, key, data FROM coweave.push_subscriptions WHERE id = $1', [id])
  const known = before && openSubscription(keys, { id, room: before[0], key: before[1], data: before[2] })
  if (known !== undefined && !sameSubscription(known, wanted.subscription)) return false
  if (before?.[0] !== wanted.room) await session.rows('DELETE FROM coweave.pushes WHERE subscription = $1', [id])
  const { key, data } = sealSubscription(keys, wanted)
  await session.rows(
    `INSERT INTO coweave.push_subscriptions (id, room, at, key, data) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET room = excluded.room, at = excluded.at, key = excluded.key, data = excluded.data`,
    [id, wanted.room, wanted.at, key, data],
  )
  const tooMany = await session.rows(
    'SELECT id FROM coweave.push_subscriptions WHERE room = $1 ORDER BY at DESC, id OFFSET $2',
    [wanted.room, max],
  )
  await drop(
    session,
    tooMany.map(([one]) => one),
  )
  return true
}

export async function unsubscribe(session: Session, room: string, endpoint: string): Promise<void> {
  const found = await session.rows('SELECT id FROM coweave.push_subscriptions WHERE id = $1 AND room = $2', [
    subscriptionId(endpoint),
    room,
  ])
  await drop(
    session,
    found.map(([id]) => id),
  )
}

export async function endAll(session: Session, room: string): Promise<number> {
  const found = await session.rows('SELECT id FROM coweave.push_subscriptions WHERE room = $1', [room])
  await drop(
    session,
    found.map(([id]) => id),
  )
  return found.length
}

export async function pageOfSubscriptions(
  session: Session,
  keys: KeyRing | undefined,
  { after = '', limit }: { readonly after?: string; readonly limit: number },
): Promise<{ subscriptions: RoomSubscription[]; next: string | undefined }> {
  const rows = await session.rows(
    'SELECT id, room, at, key, data FROM coweave.push_subscriptions WHERE id > $1 ORDER BY id LIMIT $2',
    [after, limit],
  )
  const subscriptions = rows.flatMap(([id, room, at, key, data]): RoomSubscription[] => {
    const subscription = openSubscription(keys, { id, room, key, data })
    return subscription === undefined ? [] : [{ room: String(room), at: Number(at), subscription }]
  })
  return { subscriptions, next: rows.length < limit ? undefined : String(rows.at(-1)?.[0]) }
}

export async function upcoming(
  session: Session,
  { now, until }: { readonly now: number; readonly until: number },
): Promise<{ isDue: boolean; waiting: WaitingRoom[] }> {
  const [due, waiting] = await Promise.all([
    session.rows('SELECT 1 FROM coweave.pushes WHERE due_at <= $1 LIMIT 1', [now]),
    session.rows(
      `SELECT s.room, max(p.at) FROM coweave.pushes p JOIN coweave.push_subscriptions s ON s.id = p.subscription
       WHERE p.due_at > $1 AND p.due_at <= $2 GROUP BY s.room`,
      [now, until],
    ),
  ])
  return { isDue: due.length > 0, waiting: waiting.map(([room, at]) => ({ room: String(room), at: Number(at) })) }
}

export async function cancel(session: Session, rooms: readonly WaitingRoom[]): Promise<void> {
  await session.rows(
    `DELETE FROM coweave.pushes p USING unnest($1::text[], $2::bigint[]) AS given (room, at), coweave.push_subscriptions s
     WHERE s.room = given.room AND p.subscription = s.id AND p.at <= given.at`,
    [rooms.map(({ room }) => room), rooms.map(({ at }) => at)],
  )
}

/** Passes over what another instance is just claiming. */
export async function claim(
  session: Session,
  keys: KeyRing | undefined,
  { now, until, limit }: { readonly now: number; readonly until: number; readonly limit: number },
): Promise<ClaimedPush[]> {
  const rows = await session.rows(
    `WITH claimed AS (
       UPDATE coweave.pushes SET due_at = $1, attempts = attempts + 1 WHERE id IN (
         SELECT id FROM coweave.pushes WHERE due_at <= $2 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
       ) RETURNING id, at, attempts, subscription, message
     )
     SELECT claimed.id, claimed.at, claimed.attempts, claimed.message, s.id, s.room, s.key, s.data
     FROM claimed LEFT JOIN coweave.push_subscriptions s ON s.id = claimed.subscription`,
    [until, now, limit],
  )
  return await Promise.all(
    rows.map(async ([id, at, attempts, message, subscriber, room, key, data]) => {
      const subscription = openSubscription(keys, { id: subscriber, room, key, data })
      const json = subscription && (await jsonOf(session, keys, String(room), String(toText(message))))
      return {
        id: Number(id),
        room: typeof room === 'string' ? room : '',
        at: Number(at),
        attempts: Number(attempts),
        content:
          subscription === undefined || json === undefined ? undefined : { id: String(subscriber), subscription, json },
      }
    }),
  )
}

export async function settle(session: Session, { done, again, gone }: PushOutcome): Promise<void> {
  await session.rows('DELETE FROM coweave.pushes WHERE id = ANY($1::bigint[])', [done])
  await session.rows(
    `UPDATE coweave.pushes p SET due_at = given.due_at FROM unnest($1::bigint[], $2::bigint[]) AS given (id, due_at)
     WHERE p.id = given.id`,
    [again.map(({ id }) => id), again.map(({ dueAt }) => dueAt)],
  )
  await drop(session, gone)
}

async function drop(session: Session, ids: readonly unknown[]): Promise<void> {
  if (ids.length === 0) return
  await session.rows('DELETE FROM coweave.push_subscriptions WHERE id = ANY($1::text[])', [ids])
  await session.rows('DELETE FROM coweave.pushes WHERE subscription = ANY($1::text[])', [ids])
}

/** The JSON of a message, undefined when it can't be read: that must not keep others from being claimed. */
async function jsonOf(
  session: Session,
  keys: KeyRing | undefined,
  room: string,
  id: string,
): Promise<string | undefined> {
  try {
    return (await findMessage(session, keys, room, id))?.json
  } catch (error) {
    if (error instanceof StorageError) return undefined
    throw error
  }
}
