import { type Decoder, readVarUint } from 'lib0/decoding'

/** Reads a number, and so many of what `read` reads. */
export function readList<Value>(decoder: Decoder, read: (decoder: Decoder) => Value): Value[] {
  const values: Value[] = []
  // Array.from() would define each element anew, which takes five times as long.
  for (let left = readVarUint(decoder); left > 0; left -= 1) values.push(read(decoder))
  return values
}
