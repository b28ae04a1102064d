import { createDecoder, type Decoder, hasContent, readVarUint } from 'lib0/decoding'

type Read<Value> = (decoder: Decoder) => Value

/** Reads a number, and so many of what `read` reads. */
export function readList<Value>(decoder: Decoder, read: Read<Value>): Value[] {
  const values: Value[] = []
  // Array.from() would define each element anew, which takes five times as long.
  for (let left = readVarUint(decoder); left > 0; left -= 1) values.push(read(decoder))
  return values
}

/** As many of what `read` reads as are left. */
export function readRest<Value>(decoder: Decoder, read: Read<Value>): Value[] {
  const values: Value[] = []
  while (hasContent(decoder)) values.push(read(decoder))
  return values
}

/** As many of what `read` reads as were packed. */
export function unpackAll<Value>(packed: Uint8Array, read: Read<Value>): Value[] {
  return readRest(createDecoder(packed), read)
}
