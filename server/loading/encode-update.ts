import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

type DecodedUpdate = ReturnType<typeof Y.decodeUpdate>
export type Struct = DecodedUpdate['structs'][number]
export type Deletions = DecodedUpdate['ds']['clients']

const NO_STRUCTS: ReadonlyMap<number, readonly Struct[]> = new Map()
export const NO_DELETIONS: Deletions = new Map()

/** An update of structs that were decoded: those of each client one behind the other, without a gap. */
export function encodeUpdate(structs: ReadonlyMap<number, readonly Struct[]>, deletions: Deletions): Uint8Array {
  const encoder = new Y.UpdateEncoderV1()
  const { restEncoder } = encoder
  // As Yjs does it: with higher client ids first there are fewer conflicts.
  const clients = [...structs].sort(([left], [right]) => right - left)
  encoding.writeVarUint(restEncoder, clients.length)
  for (const [client, run] of clients) {
    encoding.writeVarUint(restEncoder, run.length)
    encoder.writeClient(client)
    encoding.writeVarUint(restEncoder, run[0]?.id.clock ?? 0)
    for (const struct of run) struct.write(encoder, 0)
  }
  encoding.writeVarUint(restEncoder, deletions.size)
  for (const [client, ranges] of deletions) {
    encoder.resetDsCurVal()
    encoding.writeVarUint(restEncoder, client)
    encoding.writeVarUint(restEncoder, ranges.length)
    for (const { clock, len } of ranges) {
      encoder.writeDsClock(clock)
      encoder.writeDsLen(len)
    }
  }
  return encoder.toUint8Array()
}

export function encodeDeletions(deletions: Deletions): Uint8Array {
  return encodeUpdate(NO_STRUCTS, deletions)
}

/** What a struct builds on. */
export function* referencesOf(struct: Struct): Generator<Y.ID> {
  if (!(struct instanceof Y.Item)) return
  if (struct.origin !== null) yield struct.origin
  if (struct.rightOrigin !== null) yield struct.rightOrigin
  if (struct.parent instanceof Y.ID) yield struct.parent
}
