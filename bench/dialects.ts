import * as encoding from 'lib0/encoding'

/** What a client has to say to a server of one kind. */
export interface BenchDialect {
  readonly name: 'hocuspocus' | 'y-websocket'
  /** Where a document is, below the server's URL. */
  path(document: string): string
  /** What opens a document, behind the handshake: the token, and the question for all there is. */
  opening(document: string, token: string): Uint8Array[]
  /** Answers the server's question for all the client has: nothing. */
  answer(document: string): Uint8Array
  update(document: string, update: Uint8Array): Uint8Array
  awareness(document: string, update: Uint8Array): Uint8Array
  /** What a message says, if it is about the document's content or presence. */
  read(
    message: Uint8Array,
  ): { readonly kind: 'question' | 'content' | 'update' | 'awareness' | 'acknowledgement' } | undefined
}

const [SYNC, AWARENESS, AUTH, SYNC_REPLY, SYNC_STATUS] = [0, 1, 2, 4, 8]
/** A state vector of nobody, and an update without structs and deletions. */
const [NOBODY, NOTHING] = [Uint8Array.of(0), Uint8Array.of(0, 0)]

export const hocuspocus: BenchDialect = {
  name: 'hocuspocus',
  path: () => '',
  opening: (document, token) => [
    encode(document, (encoder) => {
      encoding.writeVarUint(encoder, AUTH)
      encoding.writeVarUint(encoder, 0)
      encoding.writeVarString(encoder, token)
    }),
    sync(document, 0, NOBODY),
  ],
  answer: (document) => sync(document, 1, NOTHING),
  update: (document, update) => sync(document, 2, update),
  awareness: (document, update) =>
    encode(document, (encoder) => {
      encoding.writeVarUint(encoder, AWARENESS)
      encoding.writeVarUint8Array(encoder, update)
    }),
  // Names are short here: their length is one byte.
  read: (message) => kindOf(message, 1 + (message[0] ?? 0)),
}

export const yWebsocket: BenchDialect = {
  name: 'y-websocket',
  path: (document) => `/${document}`,
  opening: () => [sync(undefined, 0, NOBODY)],
  answer: () => sync(undefined, 1, NOTHING),
  update: (_document, update) => sync(undefined, 2, update),
  awareness: (_document, update) =>
    encode(undefined, (encoder) => {
      encoding.writeVarUint(encoder, AWARENESS)
      encoding.writeVarUint8Array(encoder, update)
    }),
  read: (message) => kindOf(message, 0),
}

function kindOf(message: Uint8Array, at: number): ReturnType<BenchDialect['read']> {
  const type = message[at]
  if (type === AWARENESS) return { kind: 'awareness' }
  if (type === SYNC_STATUS) return { kind: 'acknowledgement' }
  if (type !== SYNC && type !== SYNC_REPLY) return undefined
  const step = message[at + 1]
  if (step === 0) return { kind: 'question' }
  return step === 1 ? { kind: 'content' } : step === 2 ? { kind: 'update' } : undefined
}

function sync(document: string | undefined, step: number, payload: Uint8Array): Uint8Array {
  return encode(document, (encoder) => {
    encoding.writeVarUint(encoder, SYNC)
    encoding.writeVarUint(encoder, step)
    encoding.writeVarUint8Array(encoder, payload)
  })
}

function encode(document: string | undefined, write: (encoder: encoding.Encoder) => void): Uint8Array {
  return encoding.encode((encoder) => {
    if (document !== undefined) encoding.writeVarString(encoder, document)
    write(encoder)
  })
}
