import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'

/** The two ways in which Yjs writes updates. */
export type Encoding = 'v1' | 'v2'

/**
 * A v1 update of the same content. Without `encoding` it finds out which one it is: an update of v2 begins with a zero,
 * and one of v1 only where it holds nothing but deletions, which are whole numbers up to its end.
 * @throws {Error} when it can't be read, or could be either
 */
export function toV1(update: Uint8Array, encoding: Encoding | undefined): Uint8Array {
  if (update.length === 0) throw new Error('it is empty')
  if ((encoding ?? encodingOf(update)) === 'v1') return update
  return Y.convertUpdateFormatV2ToV1(update)
}

function encodingOf(update: Uint8Array): Encoding {
  if (update[0] !== 0) return 'v1'
  if (!isDeletions(update)) return 'v2'
  if (update.length > 2 && isV2(update)) throw new Error('it could be of v1 or of v2: say --encoding')
  return 'v1'
}

/** Whether it is an update of v1 without structs, and nothing behind it. */
function isDeletions(update: Uint8Array): boolean {
  const decoder = decoding.createDecoder(update)
  try {
    decoding.readVarUint(decoder)
    for (let clients = decoding.readVarUint(decoder); clients > 0; clients--) {
      decoding.readVarUint(decoder)
      for (let ranges = decoding.readVarUint(decoder); ranges > 0; ranges--) {
        decoding.readVarUint(decoder)
        decoding.readVarUint(decoder)
      }
    }
    return !decoding.hasContent(decoder)
  } catch {
    return false // it ends too early for that
  }
}

function isV2(update: Uint8Array): boolean {
  try {
    const { structs, ds } = Y.decodeUpdateV2(update)
    return structs.length + ds.clients.size > 0
  } catch {
    return false
  }
}
