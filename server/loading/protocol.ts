import { readVarUint8Array } from 'lib0/decoding'
import { encode, writeVarUint8Array } from 'lib0/encoding'
import { unpackAll } from '../../persistence/read-list.ts'

export interface Request {
  readonly task: /** Join updates that stand behind a snapshot with that state vector, as joinUpdates(). */
    | { readonly kind: 'join'; readonly updates: Uint8Array<ArrayBuffer>; readonly vector: Uint8Array }
    /** Take an update apart, as slicesOf(). */
    | { readonly kind: 'slice'; readonly update: Uint8Array<ArrayBuffer> }
}

/** The joined update, or the packed slices. */
export type Answer = Uint8Array<ArrayBuffer> | undefined

/** Byte strings as one piece of memory of its own, which can be moved to another thread. */
export function packParts(parts: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  return encode((encoder) => {
    for (const part of parts) writeVarUint8Array(encoder, part)
  })
}

/** What packParts() packed: views into it. */
export function unpackParts(packed: Uint8Array): Uint8Array[] {
  return unpackAll(packed, readVarUint8Array)
}
