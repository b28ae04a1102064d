import { ANY_SEQ, type ArchivedMessage } from '../message-store.ts'
import type { ExpectedRoom, NewUpdate } from '../update-log.ts'
import { type Session, toBytes, toText } from './session.ts'

/** Of so many rooms, each is locked by itself. Postgres has room for some thousand locks, of all transactions together. */
const MOST_LOCKS = 500

/**
 * What the archive has in the places that a batch's messages want, as the batch goes on. Decided here, since one
 * statement can't leave out a message for its id and replace it for its `seq`.
 */
export interface LockedRooms {
  /** Whether a room is as the writer of these messages expects. */
  meets(expected: ExpectedRoom, messages: readonly ArchivedMessage[]): boolean
  /** Takes the places of messages, in their order; one that has only one of them to itself is left out. */
  add(messages: readonly ArchivedMessage[]): void
  /** The last state of each message that was added. */
  added(): readonly ArchivedMessage[]
}

/**
 * Locks the rooms of messages and expectations; call it inside a transaction that has locked its documents. Rooms are
 * locked after documents, in a fixed order, so that nobody waits in a circle.
 */
export async function lockRooms(
  session: Session,
  updates: readonly Pick<NewUpdate, 'messages' | 'expects'>[],
): Promise<LockedRooms> {
  const messages = updates.flatMap((update) => update.messages ?? [])
  const unplaced = messages.filter(({ seq }) => seq === ANY_SEQ).map(({ room }) => room)
  const expected = new Set([
    ...updates.flatMap(({ expects }) => (expects !== undefined && 'room' in expects ? expects.room : [])),
    ...unplaced,
  ])
  const rooms = new Set([...messages.map(({ room }) => room), ...expected])
  if (rooms.size === 0) return lockedRooms([], new Map())
  await lock(session, rooms)
  const given = 'unnest($1::text[], $2::bigint[], $3::bytea[]) AS given (room, seq, id)'
  const found = await session.rows(
    `SELECT room, seq, m.id FROM ${given} JOIN coweave.messages m USING (room, seq)
     UNION
     SELECT m.room, m.seq, m.id FROM ${given} JOIN coweave.messages m
       ON m.room = given.room AND sha256(m.id) = sha256(given.id)
     UNION ALL
     SELECT room, (SELECT max(seq) FROM coweave.messages m WHERE m.room = expected.room), NULL
       FROM unnest($4::text[]) AS expected (room)`,
    [
      messages.map(({ room }) => room),
      messages.map(({ seq }) => seq),
      messages.map(({ id }) => toBytes(id)),
      [...expected],
    ],
  )
  const taken = found.filter(([, , id]) => id !== null)
  const lastSeqs = found.filter(([, , id]) => id === null).map(([room, seq]) => [room, Number(seq ?? 0)] as const)
  return lockedRooms(taken, new Map(lastSeqs))
}

/** Whoever locks many rooms locks all there are, which whoever locks few shares. */
async function lock(session: Session, rooms: ReadonlySet<string>): Promise<void> {
  const all = `hashtextextended('coweave.rooms', 0)`
  if (rooms.size > MOST_LOCKS) {
    await session.rows(`SELECT pg_advisory_xact_lock(${all})`)
    return
  }
  await session.rows(
    `WITH shared AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(${all}))
     SELECT pg_advisory_xact_lock(key) FROM shared, (
       SELECT DISTINCT hashtextextended('coweave.room:' || room, 0) AS key FROM unnest($1::text[]) AS room ORDER BY key
     ) AS keys`,
    [[...rooms]],
  )
}

/** `taken`: rows of room, seq and id. `lastSeqs`: of the rooms that something is expected of. */
function lockedRooms(taken: readonly (readonly unknown[])[], lastSeqs: Map<unknown, number>): LockedRooms {
  const idAt = new Map(taken.map(([room, seq, id]) => [keyOf(room, seq), toText(id)]))
  const seqOf = new Map(taken.map(([room, seq, id]) => [keyOf(room, toText(id)), Number(seq)]))
  const added = new Map<string, ArchivedMessage>()

  function placed(message: ArchivedMessage): ArchivedMessage {
    if (message.seq !== ANY_SEQ) return message
    const { room, id } = message
    return { ...message, seq: seqOf.get(keyOf(room, id)) ?? (lastSeqs.get(room) ?? 0) + 1 }
  }

  function add(given: ArchivedMessage): void {
    const message = placed(given)
    const { room, seq, id } = message
    const [bySeq, byId] = [keyOf(room, seq), keyOf(room, id)]
    const isFree = !idAt.has(bySeq) && !seqOf.has(byId)
    if (!isFree && (idAt.get(bySeq) !== id || seqOf.get(byId) !== seq)) return
    idAt.set(bySeq, id)
    seqOf.set(byId, seq)
    lastSeqs.set(room, Math.max(lastSeqs.get(room) ?? 0, seq))
    added.set(bySeq, message)
  }

  return {
    meets: ({ room, lastSeq }, messages) =>
      (lastSeq === undefined || lastSeqs.get(room) === lastSeq) &&
      !messages.some((message) => message.room === room && seqOf.has(keyOf(room, message.id))),
    add: (messages) => messages.forEach(add),
    added: () => [...added.values()],
  }
}

function keyOf(room: unknown, place: unknown): string {
  return JSON.stringify([room, place])
}
