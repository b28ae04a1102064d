import { createDecoder, hasContent, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { encode, writeVarString, writeVarUint, writeVarUint8Array } from 'lib0/encoding'
import type { LogRow } from '../../persistence/update-log.ts'

/** Rows as one piece of memory of its own, which can be moved to another thread. */
export function packRows(rows: readonly LogRow[]): Uint8Array<ArrayBuffer> {
  return encode((encoder) => {
    for (const { position, at, author, data } of rows) {
      writeVarUint(encoder, position)
      writeVarUint(encoder, at)
      writeVarString(encoder, author)
      writeVarUint8Array(encoder, data)
    }
  })
}

/** What packRows() packed; `data` are views into it. */
export function unpackRows(packed: Uint8Array): LogRow[] {
  const decoder = createDecoder(packed)
  const rows: LogRow[] = []
  while (hasContent(decoder)) {
    rows.push({
      position: readVarUint(decoder),
      at: readVarUint(decoder),
      author: readVarString(decoder),
      data: readVarUint8Array(decoder),
    })
  }
  return rows
}
