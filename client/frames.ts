import { createDecoder, type Decoder, readVarInt, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'

/** Hocuspocus message types, and y-protocols' kinds of sync message, as far as saving is concerned. */
const SYNC = 0
const SYNC_REPLY = 4
const SYNC_STATUS = 8
const STEP_2 = 1
const UPDATE = 2

export interface Frame {
  readonly document: string
  /** `full` is sync step 2, everything the other side lacks; `applied` and `rejected` answer `full` and `update`. */
  readonly kind: 'full' | 'update' | 'applied' | 'rejected' | 'other'
}

/** What a Hocuspocus frame is about, or undefined for one without a document, such as a ping. */
export function readFrame(bytes: Uint8Array): Frame | undefined {
  return bytes.length < 2 ? undefined : read(createDecoder(bytes))
}

/** The Yjs update in a frame whose kind is `full` or `update`. */
export function updateIn(bytes: Uint8Array): Uint8Array {
  const decoder = createDecoder(bytes)
  read(decoder)
  return readVarUint8Array(decoder)
}

function read(decoder: Decoder): Frame {
  const document = readVarString(decoder)
  const type = readVarUint(decoder)
  if (type === SYNC_STATUS) return { document, kind: readVarInt(decoder) === 1 ? 'applied' : 'rejected' }
  if (type !== SYNC && type !== SYNC_REPLY) return { document, kind: 'other' }
  const step = readVarUint(decoder)
  return { document, kind: step === STEP_2 ? 'full' : step === UPDATE ? 'update' : 'other' }
}
