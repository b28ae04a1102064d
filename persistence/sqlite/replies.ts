import {
  createDecoder,
  type Decoder,
  hasContent,
  readUint8,
  readVarString,
  readVarUint,
  readVarUint8Array,
} from 'lib0/decoding'
import {
  createEncoder,
  type Encoder,
  encode,
  toUint8Array,
  writeUint8,
  writeVarString,
  writeVarUint,
  writeVarUint8Array,
} from 'lib0/encoding'
import type { NamedVersion } from '../../model/history.ts'
import type { ClientClaim } from '../client-claim.ts'
import { readRows, writeRows } from '../packed-rows.ts'
import { readList, readRest, unpackAll } from '../read-list.ts'
import type { HistoryBase } from '../retention.ts'
import type { Seen } from '../seen-store.ts'
import type { Damage, Deletion, DocumentSummary, LogRow, StoredDocument } from '../update-log.ts'
import type { Packed } from './plain-replies.ts'

// What requests for documents are answered with, packed by the worker and unpacked by the main thread.

/** What append() is answered with. */
export interface AppendReply {
  readonly positions: number[]
  /** Documents that it is time to compact. */
  readonly due: string[]
}

export function packAppendReply({ positions, due }: AppendReply): Packed {
  return encode((encoder) => {
    writeVarUint(encoder, positions.length)
    for (const position of positions) writeVarUint(encoder, position)
    writeVarUint(encoder, due.length)
    for (const document of due) writeVarString(encoder, document)
  })
}

export function unpackAppendReply(packed: Packed): AppendReply {
  const decoder = createDecoder(packed)
  return {
    positions: readList(decoder, readVarUint),
    due: readList(decoder, readVarString),
  }
}

/** What a stored document is made of besides its parts, which are packed one by one as they are read. */
export interface LoadHeader {
  readonly position: number
  readonly snapshot: number
  readonly epoch: number
  /** As StoredDocument has it. */
  readonly vector: Uint8Array | undefined
  readonly clients: ReadonlyMap<number, string>
  readonly retired: ReadonlySet<number>
  /** Whether it is time to compact the document. */
  readonly due: boolean
  readonly deleted: Deletion | undefined
}

export function packLoadReply(header: LoadHeader, eachPart: (add: (part: Uint8Array) => void) => void): Packed {
  const encoder = createEncoder()
  writeVarUint(encoder, header.position)
  writeVarUint(encoder, header.snapshot)
  writeVarUint(encoder, header.epoch)
  writeUint8(encoder, header.due ? 1 : 0)
  // Empty where there is none: that of an empty document has one byte.
  writeVarUint8Array(encoder, header.vector ?? new Uint8Array(0))
  writeVarUint(encoder, header.clients.size)
  for (const [client, user] of header.clients) {
    writeVarUint(encoder, client)
    writeVarString(encoder, user)
  }
  writeVarUint(encoder, header.retired.size)
  for (const client of header.retired) writeVarUint(encoder, client)
  writeDeletion(encoder, header.deleted)
  eachPart((part) => writeVarUint8Array(encoder, part))
  return toUint8Array(encoder)
}

export function unpackLoadReply(packed: Packed): { stored: StoredDocument; due: boolean } {
  const decoder = createDecoder(packed)
  const position = readVarUint(decoder)
  const snapshot = readVarUint(decoder)
  const epoch = readVarUint(decoder)
  const due = readUint8(decoder) === 1
  const vector = readVarUint8Array(decoder)
  const clients = new Map<number, string>()
  for (let left = readVarUint(decoder); left > 0; left--) clients.set(readVarUint(decoder), readVarString(decoder))
  const retired = new Set<number>()
  for (let left = readVarUint(decoder); left > 0; left--) retired.add(readVarUint(decoder))
  const deleted = readDeletion(decoder)
  const parts = readRest(decoder, readVarUint8Array)
  return {
    stored: { position, snapshot, epoch, ...(vector.length > 0 && { vector }), parts, clients, retired, deleted },
    due,
  }
}

/** A page of rows, and the position up to which the document has been committed. */
export interface ReadReply {
  readonly position: number
  /** Where its content begins; 0 unless it was reset. */
  readonly epoch: number
  /** Up to which position rows are forgotten; there are none in the page where it was to begin below. */
  readonly forgotten: number
  readonly rows: LogRow[]
}

export function packReadReply({ position, epoch, forgotten, rows }: ReadReply): Packed {
  return encode((encoder) => {
    writeVarUint(encoder, position)
    writeVarUint(encoder, epoch)
    writeVarUint(encoder, forgotten)
    writeRows(encoder, rows)
  })
}

export function unpackReadReply(packed: Packed): ReadReply {
  const decoder = createDecoder(packed)
  const [position, epoch, forgotten] = [readVarUint(decoder), readVarUint(decoder), readVarUint(decoder)]
  const rows = readRows(decoder)
  return { position, epoch, forgotten, rows: epoch === 0 ? rows : rows.map((row) => ({ ...row, epoch })) }
}

/** Empty where nothing is forgotten. */
export function packHistoryBase(base: HistoryBase | undefined): Packed {
  return encode((encoder) => {
    if (base === undefined) return
    for (const number of [base.position, base.at, base.logBytes]) writeVarUint(encoder, number)
    writeVarUint8Array(encoder, base.state)
  })
}

export function unpackHistoryBase(packed: Packed): HistoryBase | undefined {
  const decoder = createDecoder(packed)
  if (!hasContent(decoder)) return undefined
  const [position, at, logBytes] = [readVarUint(decoder), readVarUint(decoder), readVarUint(decoder)]
  return { position, at, logBytes, state: readVarUint8Array(decoder) }
}

export function packSummaries(documents: readonly DocumentSummary[]): Packed {
  return encode((encoder) => {
    for (const { name, position, createdAt, updatedAt, deleted } of documents) {
      writeVarString(encoder, name)
      writeVarUint(encoder, position)
      writeVarUint(encoder, createdAt)
      writeVarUint(encoder, updatedAt)
      writeDeletion(encoder, deleted)
    }
  })
}

export function unpackSummaries(packed: Packed): DocumentSummary[] {
  return unpackAll(packed, (decoder) => ({
    name: readVarString(decoder),
    position: readVarUint(decoder),
    createdAt: readVarUint(decoder),
    updatedAt: readVarUint(decoder),
    ...deletionIn(decoder),
  }))
}

export function packClaims(claims: Iterable<ClientClaim>): Packed {
  return encode((encoder) => {
    for (const { client, user, position } of claims) {
      writeVarUint(encoder, client)
      writeVarString(encoder, user)
      writeVarUint(encoder, position)
    }
  })
}

export function unpackClaims(packed: Packed): ClientClaim[] {
  return unpackAll(packed, (decoder) => ({
    client: readVarUint(decoder),
    user: readVarString(decoder),
    position: readVarUint(decoder),
  }))
}

export function packDeletion(deletion: Deletion): Packed {
  return encode((encoder) => writeDeletion(encoder, deletion))
}

export function unpackDeletion(packed: Packed): Deletion | undefined {
  return readDeletion(createDecoder(packed))
}

function writeDeletion(encoder: Encoder, deletion: Deletion | undefined): void {
  writeUint8(encoder, deletion === undefined ? 0 : deletion.isErased ? 2 : 1)
  if (deletion === undefined) return
  writeVarUint(encoder, deletion.at)
  writeVarString(encoder, deletion.by)
}

function readDeletion(decoder: Decoder): Deletion | undefined {
  const kind = readUint8(decoder)
  return kind === 0 ? undefined : { at: readVarUint(decoder), by: readVarString(decoder), isErased: kind === 2 }
}

/** As a part of a summary, which has none where a document isn't deleted. */
function deletionIn(decoder: Decoder): { deleted?: Deletion } {
  const deleted = readDeletion(decoder)
  return deleted === undefined ? {} : { deleted }
}

export function packVersions(versions: readonly NamedVersion[]): Packed {
  return encode((encoder) => {
    for (const { id, position, name, author, at } of versions) {
      writeVarString(encoder, id)
      writeVarUint(encoder, position)
      writeVarString(encoder, name)
      writeVarString(encoder, author)
      writeVarUint(encoder, at)
    }
  })
}

export function unpackVersions(packed: Packed): NamedVersion[] {
  return unpackAll(packed, (decoder) => ({
    id: readVarString(decoder),
    position: readVarUint(decoder),
    name: readVarString(decoder),
    author: readVarString(decoder),
    at: readVarUint(decoder),
  }))
}

export function packSeen(seen: readonly Seen[]): Packed {
  return encode((encoder) => {
    for (const { user, position, at } of seen) {
      writeVarString(encoder, user)
      writeVarUint(encoder, position)
      writeVarUint(encoder, at)
    }
  })
}

export function unpackSeen(packed: Packed): Seen[] {
  return unpackAll(packed, (decoder) => ({
    user: readVarString(decoder),
    position: readVarUint(decoder),
    at: readVarUint(decoder),
  }))
}

/** Empty once the check is over. */
export function packDamage(damage: Damage | undefined): Packed {
  return encode((encoder) => {
    if (damage === undefined) return
    writeVarString(encoder, damage.problem)
    writeVarString(encoder, damage.document ?? '') // no document's name is empty, and positions begin at 1
    writeVarUint(encoder, damage.position ?? 0)
  })
}

export function unpackDamage(packed: Packed): Damage | undefined {
  const decoder = createDecoder(packed)
  if (!hasContent(decoder)) return undefined
  const problem = readVarString(decoder)
  return { problem, document: readVarString(decoder) || undefined, position: readVarUint(decoder) || undefined }
}
