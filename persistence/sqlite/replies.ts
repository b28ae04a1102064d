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
import type { Seen } from '../history-tables.ts'
import { readRows, writeRows } from '../packed-rows.ts'
import { readList } from '../read-list.ts'
import type { HistoryBase } from '../retention.ts'
import type { StoredMessage } from '../stored-message.ts'
import {
  type ArchivedMessage,
  type Damage,
  DELETED,
  type Deletion,
  type DocumentSummary,
  type FoundMessages,
  type LogRow,
  type StoredDocument,
} from '../update-log.ts'

// What each request is answered with, packed by the worker and unpacked by the main thread.

type Packed = Uint8Array<ArrayBuffer>

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
  const parts: Uint8Array[] = []
  while (hasContent(decoder)) parts.push(readVarUint8Array(decoder))
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
  const decoder = createDecoder(packed)
  const documents: DocumentSummary[] = []
  while (hasContent(decoder)) {
    documents.push({
      name: readVarString(decoder),
      position: readVarUint(decoder),
      createdAt: readVarUint(decoder),
      updatedAt: readVarUint(decoder),
      ...deletionIn(decoder),
    })
  }
  return documents
}

export function packMessages(messages: readonly StoredMessage[]): Packed {
  return encode((encoder) => {
    for (const { room, seq, id, data } of messages) {
      writeVarString(encoder, room)
      writeVarUint(encoder, seq)
      writeVarString(encoder, id)
      writeVarUint8Array(encoder, data)
    }
  })
}

export function unpackMessages(packed: Uint8Array): ArchivedMessage[] {
  const decoder = createDecoder(packed)
  const messages: ArchivedMessage[] = []
  // A message's JSON is packed as bytes, as it is stored; a string has the same form.
  while (hasContent(decoder)) {
    messages.push({
      room: readVarString(decoder),
      seq: readVarUint(decoder),
      id: readVarString(decoder),
      json: readVarString(decoder),
    })
  }
  return messages
}

export interface SearchReply {
  readonly messages: readonly StoredMessage[]
  readonly next: number | undefined
}

export function packFoundMessages({ messages, next = 0 }: SearchReply): Packed {
  return encode((encoder) => {
    writeVarUint(encoder, next) // rows count from 1
    writeVarUint8Array(encoder, packMessages(messages))
  })
}

export function unpackFoundMessages(packed: Packed): FoundMessages {
  const decoder = createDecoder(packed)
  const next = readVarUint(decoder) || undefined
  return { messages: unpackMessages(readVarUint8Array(decoder)), next }
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
  const decoder = createDecoder(packed)
  const claims: ClientClaim[] = []
  while (hasContent(decoder)) {
    claims.push({ client: readVarUint(decoder), user: readVarString(decoder), position: readVarUint(decoder) })
  }
  return claims
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
  const decoder = createDecoder(packed)
  const versions: NamedVersion[] = []
  while (hasContent(decoder)) {
    versions.push({
      id: readVarString(decoder),
      position: readVarUint(decoder),
      name: readVarString(decoder),
      author: readVarString(decoder),
      at: readVarUint(decoder),
    })
  }
  return versions
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
  const decoder = createDecoder(packed)
  const seen: Seen[] = []
  while (hasContent(decoder)) {
    seen.push({ user: readVarString(decoder), position: readVarUint(decoder), at: readVarUint(decoder) })
  }
  return seen
}

export function packPositions(positions: readonly number[]): Packed {
  return encode((encoder) => {
    for (const position of positions) writeVarUint(encoder, position - DELETED)
  })
}

export function unpackPositions(packed: Packed): number[] {
  const decoder = createDecoder(packed)
  const positions: number[] = []
  while (hasContent(decoder)) positions.push(readVarUint(decoder) + DELETED)
  return positions
}

export function packFlag(flag: boolean): Packed {
  return encode((encoder) => writeUint8(encoder, flag ? 1 : 0))
}

export function unpackFlag(packed: Packed): boolean {
  return readUint8(createDecoder(packed)) === 1
}

export function packPosition(position: number): Packed {
  return encode((encoder) => writeVarUint(encoder, position))
}

export function unpackPosition(packed: Packed): number {
  return readVarUint(createDecoder(packed))
}

export function packText(text: string): Packed {
  return encode((encoder) => writeVarString(encoder, text))
}

export function unpackText(packed: Packed): string {
  return readVarString(createDecoder(packed))
}

export function packTexts(texts: readonly string[]): Packed {
  return encode((encoder) => {
    for (const text of texts) writeVarString(encoder, text)
  })
}

export function unpackTexts(packed: Packed): string[] {
  const decoder = createDecoder(packed)
  const texts: string[] = []
  while (hasContent(decoder)) texts.push(readVarString(decoder))
  return texts
}

export function packBytes(pieces: readonly Uint8Array[]): Packed {
  return encode((encoder) => {
    for (const piece of pieces) writeVarUint8Array(encoder, piece)
  })
}

/** Each in memory of its own, which can be moved to another thread. */
export function unpackBytes(packed: Packed): Packed[] {
  const decoder = createDecoder(packed)
  const pieces: Packed[] = []
  while (hasContent(decoder)) pieces.push(readVarUint8Array(decoder).slice())
  return pieces
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
