import { createDecoder, readUint8, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { encode, writeUint8, writeVarString, writeVarUint, writeVarUint8Array } from 'lib0/encoding'
import { unpackAll } from '../read-list.ts'
import { DELETED } from '../update-log.ts'

// Replies of a single value, or some of a kind, packed by the worker and unpacked by the main thread.

/** In memory of its own, which can be moved to another thread. */
export type Packed = Uint8Array<ArrayBuffer>

export function packPositions(positions: readonly number[]): Packed {
  return encode((encoder) => {
    for (const position of positions) writeVarUint(encoder, position - DELETED)
  })
}

export function unpackPositions(packed: Packed): number[] {
  return unpackAll(packed, (decoder) => readVarUint(decoder) + DELETED)
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
  return unpackAll(packed, readVarString)
}

export function packBytes(pieces: readonly Uint8Array[]): Packed {
  return encode((encoder) => {
    for (const piece of pieces) writeVarUint8Array(encoder, piece)
  })
}

/** Each in memory of its own, which can be moved to another thread. */
export function unpackBytes(packed: Packed): Packed[] {
  return unpackAll(packed, (decoder) => readVarUint8Array(decoder).slice())
}
