import { shouldCompact } from '../compaction.ts'
import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { natural } from '../natural.ts'
import { tailWeight } from '../snapshot-record.ts'
import { StorageError } from '../storage-error.ts'
import type { NewUpdate } from '../update-log.ts'
import { noteChanges } from './change-table.ts'
import { findOwners } from './client-table.ts'
import { lockHeads, removeEmpty, saveRecords } from './document-table.ts'
import { storeEvents } from './event-table.ts'
import { lockRooms } from './locked-rooms.ts'
import { storeMessages } from './message-table.ts'
import { storePushes } from './push-table.ts'
import { beat, databaseIdOf } from './schema.ts'
import type { Session } from './session.ts'
import { insertRows, type NewRow } from './update-table.ts'

export interface Appended {
  readonly positions: number[]
  /** Documents that it is time to compact. */
  readonly due: string[]
}

/**
 * A copy of the batch in memory of its own, with authors and ids as they will be read back, so that they can be compared.
 * @throws {TypeError} for what no row can hold
 */
export function copyBatch(batch: readonly NewUpdate[]): readonly NewUpdate[] {
  const memory = Buffer.concat(batch.map(({ data }) => data))
  let end = 0
  return batch.map(
    ({ document, at, author, data, clients, messages = [], expects, pushAt, follows, events, epoch = 0, resets }) => {
      end += data.length
      return {
        document: storable(document, 'the name of a document'),
        at: natural(at, 'at'),
        author: author.toWellFormed(),
        data: memory.subarray(end - data.length, end),
        clients: clients.map((client) => natural(client, 'a client id')),
        messages: messages.map(({ room, seq, id, json }) => ({
          room: storable(room, 'the name of a room'),
          seq: natural(seq, 'seq'),
          id: id.toWellFormed(),
          json,
        })),
        pushAt: pushAt === undefined ? undefined : natural(pushAt, 'pushAt'),
        expects: expects && copyOf(expects),
        follows,
        epoch: natural(epoch, 'epoch'),
        resets,
        events: events?.map((event) => ({
          ...event,
          document: storable(event.document, 'the name of a document'),
          at: natural(event.at, 'at'),
        })),
      }
    },
  )
}

function copyOf(expects: NonNullable<NewUpdate['expects']>): NonNullable<NewUpdate['expects']> {
  if ('position' in expects) return { position: natural(expects.position, 'position') }
  const { room, lastSeq } = expects
  return {
    room: storable(room, 'the name of a room'),
    lastSeq: lastSeq === undefined ? undefined : natural(lastSeq, 'lastSeq'),
  }
}

/** Appends a batch inside a transaction: locks, then looks, then writes. */
export async function appendBatch(
  session: Session,
  batch: readonly NewUpdate[],
  {
    keys,
    databaseId,
    place,
  }: { readonly keys: KeyRing | undefined; readonly databaseId: string; readonly place: string },
): Promise<Appended> {
  const [id, heads] = await Promise.all([
    databaseIdOf(session),
    lockHeads(session, [...new Set(batch.map(({ document }) => document))]),
  ])
  if (id !== databaseId) {
    throw new StorageError('storage/missing', `${place} is not the database that was here. Restart to go on with it`)
  }
  if (batch.length === 0) {
    session.join(beat(session))
    return { positions: [], due: [] }
  }
  const rooms = await lockRooms(session, batch)
  const deleted = new Set(heads.filter(({ isDeleted }) => isDeleted).map(({ record }) => record.name))
  const records = new Map(heads.map(({ record }) => [record.name, record]))
  const wanted = batch.map(({ document, clients }) => ({ document: recordOf(records, document), clients }))
  const owners = await findOwners(session, wanted)
  const rows: NewRow[] = []
  const stored: NewUpdate[] = []
  /** Of which an update was left out for its clients. */
  const broken = new Set<string>()

  /** Takes an update, or leaves it out; see append(). Returns its position or 0. */
  function store(update: NewUpdate): number {
    const { document: name, at, author, data, clients, expects, messages = [], epoch, resets = false } = update
    if (broken.has(name) || deleted.has(name)) return 0
    const document = recordOf(records, name)
    if (document.epoch !== epoch) return 0
    if (expects !== undefined && 'position' in expects) {
      if (document.position !== expects.position) return 0
    } else if (expects !== undefined && !rooms.meets(expects, messages)) {
      return 0
    }
    const row = { document, position: document.position + 1, at, author, data, clients }
    const claimed = owners.claim(row)
    if (claimed === undefined) {
      broken.add(name)
      return 0
    }
    rooms.add(messages)
    rows.push(row)
    stored.push(update)
    records.set(name, withRow(document, row, { claimed, resets }))
    return row.position
  }

  let leading = 0
  const positions = batch.map((update) => {
    const position = update.follows && leading === 0 ? 0 : store(update)
    if (!update.follows) leading = position
    return position
  })
  session.join(insertRows(session, keys, rows))
  const changed = new Set(rows.map(({ document }) => document.name))
  const isChanged = ({ name }: DocumentRecord) => changed.has(name)
  session.join(saveRecords(session, [...records.values()].filter(isChanged), owners.claims))
  const before = heads.filter(({ record }) => changed.has(record.name)).map(({ record }) => record)
  session.join(
    noteChanges(
      session,
      before.map((document) => ({
        document,
        since: document.position,
        at: recordOf(records, document.name).updatedAt,
      })),
    ),
  )
  const isEmpty = ({ position, tombstone }: DocumentRecord) => position === 0 && tombstone === undefined
  session.join(removeEmpty(session, [...records.values()].filter(isEmpty)))
  session.join(storeMessages(session, keys, rooms.added()))
  session.join(storePushes(session, stored))
  // Last, since whoever takes numbers of events keeps others from it until the commit.
  session.join(
    storeEvents(
      session,
      keys,
      stored.flatMap(({ events = [] }) => events),
    ),
  )
  return {
    positions,
    due: heads
      .filter(({ record, snapshot }) => shouldCompact(tailWeight(recordOf(records, record.name), snapshot)))
      .map(({ record }) => record.name),
  }
}

/** A document's record with one more row, which has claimed so many client ids. */
function withRow(
  record: DocumentRecord,
  { at, data, position }: NewRow,
  { claimed, resets }: { readonly claimed: number; readonly resets: boolean },
): DocumentRecord {
  return {
    ...record,
    createdAt: record.position === 0 ? at : record.createdAt,
    updatedAt: Math.max(record.updatedAt, at),
    position,
    bytes: record.bytes + data.length,
    clients: record.clients + claimed,
    epoch: resets ? position : record.epoch,
  }
}

function recordOf(records: ReadonlyMap<string, DocumentRecord>, name: string): DocumentRecord {
  const record = records.get(name)
  if (record === undefined) throw new StorageError('storage/unavailable', `${name}: its row could not be locked`)
  return record
}

/** Postgres' text has no U+0000, and half of a surrogate pair would come back as something else. */
export function storable(name: string, what: string): string {
  if (name.includes('\u0000') || !name.isWellFormed())
    throw new TypeError(`${what} must be text, got ${JSON.stringify(name)}`)
  return name
}
