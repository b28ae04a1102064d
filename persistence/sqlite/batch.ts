import { createDecoder, type Decoder, readUint8, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'
import {
  createEncoder,
  type Encoder,
  toUint8Array,
  writeUint8,
  writeVarString,
  writeVarUint,
  writeVarUint8Array,
} from 'lib0/encoding'
import type { NewEvent } from '../event-store.ts'
import type { ArchivedMessage } from '../message-store.ts'
import { natural } from '../natural.ts'
import { readList } from '../read-list.ts'
import type { NewUpdate } from '../update-log.ts'

/**
 * What follows of an expected room or position, with FOLLOWS where the update follows another, HAS_EVENTS where events
 * come, HAS_EPOCH where the content that it belongs to begins behind a reset, and RESETS where it begins with this one.
 */
const Expects = { Nothing: 0, Seq: 1, Ids: 2, Position: 3 } as const
const FOLLOWS = 4
const HAS_EVENTS = 8
const HAS_EPOCH = 16
const RESETS = 32
const FLAGS = FOLLOWS | HAS_EVENTS | HAS_EPOCH | RESETS

/** An update as the writer gets it. */
export interface UnpackedUpdate extends NewUpdate {
  readonly messages: readonly ArchivedMessage[]
  readonly expects: NewUpdate['expects']
  readonly follows: boolean
  readonly epoch: number
}

/**
 * A batch as one piece of memory of its own, so that it can be moved to the writer: structured clone would copy the
 * whole pool that a small Buffer is a part of. Each name of a document, author or room is written once per batch.
 */
export function packBatch(batch: readonly NewUpdate[]): Uint8Array<ArrayBuffer> {
  const encoder = createEncoder()
  const names = new Map<string, number>()
  writeVarUint(encoder, batch.length)
  for (const update of batch) {
    const { document, at, author, data, clients, messages = [], expects, pushAt, follows = false, events = [] } = update
    const { epoch = 0, resets = false } = update
    writeName(encoder, names, document)
    writeVarUint(encoder, natural(at, 'at'))
    writeName(encoder, names, author)
    writeVarUint(encoder, clients.length)
    for (const client of clients) writeVarUint(encoder, natural(client, 'a client id'))
    writeVarUint8Array(encoder, data)
    writeVarUint(encoder, messages.length)
    for (const { room, seq, id, json } of messages) {
      writeName(encoder, names, room)
      writeVarUint(encoder, natural(seq, 'seq'))
      writeVarString(encoder, id)
      writeVarString(encoder, json)
    }
    writeVarUint(encoder, pushAt === undefined ? 0 : natural(pushAt, 'pushAt') + 1)
    const kind = kindOf(expects)
    const flags = (follows ? FOLLOWS : 0) | (events.length > 0 ? HAS_EVENTS : 0) | (epoch > 0 ? HAS_EPOCH : 0)
    writeUint8(encoder, kind | flags | (resets ? RESETS : 0))
    if (expects !== undefined && 'position' in expects) {
      writeVarUint(encoder, natural(expects.position, 'position'))
    } else if (expects !== undefined) {
      writeName(encoder, names, expects.room)
      if (expects.lastSeq !== undefined) writeVarUint(encoder, natural(expects.lastSeq, 'lastSeq'))
    }
    if (events.length > 0) writeEvents(encoder, names, events)
    if (epoch > 0) writeVarUint(encoder, natural(epoch, 'epoch'))
  }
  return toUint8Array(encoder)
}

/** The updates in a packed batch; their `data` are views into it. */
export function unpackBatch(packed: Uint8Array): UnpackedUpdate[] {
  const decoder = createDecoder(packed)
  const names: string[] = []
  const readName = (): string => {
    const index = readVarUint(decoder)
    const known = names[index]
    if (known !== undefined) return known
    const name = readVarString(decoder)
    names.push(name)
    return name
  }
  return readList(decoder, () => ({
    document: readName(),
    at: readVarUint(decoder),
    author: readName(),
    clients: readList(decoder, readVarUint),
    data: readVarUint8Array(decoder),
    messages: readList(decoder, () => ({
      room: readName(),
      seq: readVarUint(decoder),
      id: readVarString(decoder),
      json: readVarString(decoder),
    })),
    pushAt: readPushAt(decoder),
    ...readConditions(decoder, readName),
  }))
}

function readPushAt(decoder: Decoder): number | undefined {
  const next = readVarUint(decoder)
  return next === 0 ? undefined : next - 1
}

function readConditions(
  decoder: Decoder,
  readName: () => string,
): Pick<UnpackedUpdate, 'expects' | 'follows' | 'events' | 'epoch' | 'resets'> {
  const byte = readUint8(decoder)
  const [kind, follows] = [byte & ~FLAGS, (byte & FOLLOWS) > 0]
  const expects = readExpected(decoder, kind, readName)
  const events = byte & HAS_EVENTS ? readEvents(decoder, readName) : undefined
  const epoch = byte & HAS_EPOCH ? readVarUint(decoder) : 0
  return { expects, follows, events, epoch, resets: (byte & RESETS) > 0 }
}

function kindOf(expects: NewUpdate['expects']): number {
  if (expects === undefined) return Expects.Nothing
  if ('position' in expects) return Expects.Position
  return expects.lastSeq === undefined ? Expects.Ids : Expects.Seq
}

function readExpected(decoder: Decoder, kind: number, readName: () => string): NewUpdate['expects'] {
  if (kind === Expects.Nothing) return undefined
  if (kind === Expects.Position) return { position: readVarUint(decoder) }
  return { room: readName(), lastSeq: kind === Expects.Seq ? readVarUint(decoder) : undefined }
}

/** Updates of one batch may share an event: what it says is a name too, so that it is written once. */
function writeEvents(encoder: Encoder, names: Map<string, number>, events: readonly NewEvent[]): void {
  writeVarUint(encoder, events.length)
  for (const { id, kind, at, document, users, json } of events) {
    for (const text of [id, kind, document, json]) writeName(encoder, names, text)
    writeVarUint(encoder, natural(at, 'at'))
    writeVarUint(encoder, users.length)
    for (const user of users) writeVarString(encoder, user)
  }
}

function readEvents(decoder: Decoder, readName: () => string): NewEvent[] {
  return readList(decoder, () => {
    const [id, kind, document, json] = [readName(), readName(), readName(), readName()]
    const at = readVarUint(decoder)
    return {
      id,
      kind,
      at,
      document,
      users: readList(decoder, readVarString),
      json,
    }
  })
}

/** A name's index; the name itself follows where the index is new. */
function writeName(encoder: Encoder, names: Map<string, number>, name: string): void {
  const index = names.get(name)
  writeVarUint(encoder, index ?? names.size)
  if (index !== undefined) return
  names.set(name, names.size)
  writeVarString(encoder, name)
}
