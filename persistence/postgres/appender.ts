import { shouldCompact } from '../compaction.ts'
import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { natural } from '../natural.ts'
import { tailWeight } from '../snapshot-record.ts'
import { StorageError } from '../storage-error.ts'
import type { NewUpdate } from '../update-log.ts'
import { claimClients } from './client-table.ts'
import { lockHeads, saveRecords } from './document-table.ts'
import { storeMessages } from './message-table.ts'
import { beat, databaseIdOf } from './schema.ts'
import type { Session } from './session.ts'
import { insertRows, type NewRow } from './update-table.ts'

export interface Appended {
  readonly positions: number[]
  /** Documents that it is time to compact. */
  readonly due: string[]
}

/** A copy of the batch in memory of its own. @throws {TypeError} for what no row can hold */
export function copyBatch(batch: readonly NewUpdate[]): readonly NewUpdate[] {
  const memory = Buffer.concat(batch.map(({ data }) => data))
  let end = 0
  return batch.map(({ document, at, author, data, clients, messages = [] }) => {
    end += data.length
    return {
      document: storable(document, 'the name of a document'),
      at: natural(at, 'at'),
      author,
      data: memory.subarray(end - data.length, end),
      clients: clients.map((client) => natural(client, 'a client id')),
      messages: messages.map(({ room, seq, id, json }) => ({
        room: storable(room, 'the name of a room'),
        seq: natural(seq, 'seq'),
        id,
        json,
      })),
    }
  })
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
  if ((await databaseIdOf(session)) !== databaseId) {
    throw new StorageError('storage/missing', `${place} is not the database that was here. Restart to go on with it`)
  }
  if (batch.length === 0) {
    await beat(session)
    return { positions: [], due: [] }
  }
  const heads = await lockHeads(session, [...new Set(batch.map(({ document }) => document))])
  const records = new Map(heads.map(({ record }) => [record.name, record]))
  const rows = batch.map((update) => addRow(records, update))
  await insertRows(session, keys, rows)
  for (const { document } of await claimClients(session, rows)) {
    const record = recordOf(records, document.name)
    records.set(record.name, { ...record, clients: record.clients + 1 })
  }
  await saveRecords(session, [...records.values()])
  const messages = batch.flatMap((update) => update.messages ?? [])
  await storeMessages(session, keys, messages)
  return {
    positions: rows.map(({ position }) => position),
    due: heads
      .filter(({ record, snapshot }) => shouldCompact(tailWeight(recordOf(records, record.name), snapshot)))
      .map(({ record }) => record.name),
  }
}

/** Counts one more row into its document's record and returns it, with its position. */
function addRow(records: Map<string, DocumentRecord>, update: NewUpdate): NewRow {
  const record = recordOf(records, update.document)
  const { document: _, messages: __, ...row } = update
  const position = record.position + 1
  records.set(record.name, {
    ...record,
    createdAt: record.position === 0 ? update.at : record.createdAt,
    updatedAt: Math.max(record.updatedAt, update.at),
    position,
    bytes: record.bytes + update.data.length,
  })
  return { ...row, document: record, position }
}

function recordOf(records: ReadonlyMap<string, DocumentRecord>, name: string): DocumentRecord {
  const record = records.get(name)
  if (record === undefined) throw new StorageError('storage/unavailable', `${name}: its row could not be locked`)
  return record
}

/** Postgres' text has no U+0000, and half of a surrogate pair would come back as something else. */
function storable(name: string, what: string): string {
  if (name.includes('\u0000') || !name.isWellFormed())
    throw new TypeError(`${what} must be text, got ${JSON.stringify(name)}`)
  return name
}
