import { createDecoder, type Decoder, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { type Encoder, encode, writeVarString, writeVarUint, writeVarUint8Array } from 'lib0/encoding'
import { readRest } from './read-list.ts'
import type { LogRow } from './update-log.ts'

/** Rows as one piece of memory of its own, which can be moved to another thread. */
export function packRows(rows: readonly LogRow[]): Uint8Array<ArrayBuffer> {
  return encode((encoder) => writeRows(encoder, rows))
}

/** What packRows() packed; `data` are views into it. */
export function unpackRows(packed: Uint8Array): LogRow[] {
  return readRows(createDecoder(packed))
}

/** They must be the last that is written: nothing tells where they end. */
export function writeRows(encoder: Encoder, rows: readonly LogRow[]): void {
  for (const { position, at, author, data } of rows) {
    writeVarUint(encoder, position)
    writeVarUint(encoder, at)
    writeVarString(encoder, author)
    writeVarUint8Array(encoder, data)
  }
}

/** All that is left to read. */
export function readRows(decoder: Decoder): LogRow[] {
  return readRest(decoder, (from) => ({
    position: readVarUint(from),
    at: readVarUint(from),
    author: readVarString(from),
    data: readVarUint8Array(from),
  }))
}
