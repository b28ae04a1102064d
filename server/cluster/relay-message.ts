import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

/** What instances tell each other about a topic. */
export type RelayMessage =
  | { readonly kind: 'updates'; readonly first: number; readonly rows: readonly RelayRow[] }
  /** Rows up to the position `last` are in the log, and too large to be sent along. */
  | { readonly kind: 'stored'; readonly last: number }
  /** An awareness update. */
  | { readonly kind: 'presence'; readonly update: Uint8Array }
  | { readonly kind: 'presence-query' }
  | { readonly kind: 'stateless'; readonly payload: string }
  /** The document is deleted, as the log tells. */
  | { readonly kind: 'deleted' }
  /** A stateless message for one user alone. */
  | { readonly kind: 'direct'; readonly to: string; readonly payload: string }
  /** Who may do what is to be looked up again; '' stands for all. */
  | { readonly kind: 'recheck'; readonly user: string; readonly document: string }

/** A row of the update log. In a message, the first has the position `first`, and the rest follow without a gap. */
export interface RelayRow {
  /** When it was stored, ms since 1970. */
  readonly at: number
  readonly author: string
  /** The Yjs client ids that are new in it. */
  readonly clients: readonly number[]
  readonly data: Uint8Array
}

const VERSION = 1
/** In this order for ever: a kind is sent as its index. */
const kinds = ['updates', 'stored', 'presence', 'presence-query', 'stateless', 'direct', 'deleted', 'recheck'] as const

/** A message as it is published, by the instance `sender` (bytes of a length that all instances share). */
export function encodeRelayMessage(sender: Uint8Array, message: RelayMessage): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, VERSION)
    encoding.writeVarUint8Array(encoder, sender)
    encoding.writeVarUint(encoder, kinds.indexOf(message.kind))
    writeBody(encoder, message)
  })
}

/**
 * What somebody else than `self` published; undefined when it was `self`.
 * @throws {Error} for what is no such message, or of a version that this one does not know
 */
export function decodeRelayMessage(self: Uint8Array, bytes: Uint8Array): RelayMessage | undefined {
  // A copy, since what is read of it may be kept, and would keep all that came from the socket with it.
  const decoder = decoding.createDecoder(Uint8Array.from(bytes))
  const version = decoding.readVarUint(decoder)
  if (version !== VERSION) throw new Error(`version ${version} of the messages between instances is not known`)
  const sender = decoding.readVarUint8Array(decoder)
  if (Buffer.compare(sender, self) === 0) return undefined
  const message = readBody(decoder, kinds[decoding.readVarUint(decoder)])
  if (decoding.hasContent(decoder)) throw new Error('bytes follow the message')
  return message
}

function writeBody(encoder: encoding.Encoder, message: RelayMessage): void {
  switch (message.kind) {
    case 'updates':
      encoding.writeVarUint(encoder, message.first)
      writeList(encoder, message.rows, ({ at, author, clients, data }) => {
        encoding.writeVarUint(encoder, at)
        encoding.writeVarString(encoder, author)
        writeList(encoder, clients, (client) => encoding.writeVarUint(encoder, client))
        encoding.writeVarUint8Array(encoder, data)
      })
      return
    case 'stored':
      encoding.writeVarUint(encoder, message.last)
      return
    case 'presence':
      encoding.writeVarUint8Array(encoder, message.update)
      return
    case 'presence-query':
    case 'deleted':
      return
    case 'stateless':
      encoding.writeVarString(encoder, message.payload)
      return
    case 'direct':
      encoding.writeVarString(encoder, message.to)
      encoding.writeVarString(encoder, message.payload)
      return
    case 'recheck':
      encoding.writeVarString(encoder, message.user)
      encoding.writeVarString(encoder, message.document)
  }
}

function readBody(decoder: decoding.Decoder, kind: RelayMessage['kind'] | undefined): RelayMessage {
  switch (kind) {
    case 'updates':
      return {
        kind,
        first: decoding.readVarUint(decoder),
        rows: readList(decoder, () => ({
          at: decoding.readVarUint(decoder),
          author: decoding.readVarString(decoder),
          clients: readList(decoder, () => decoding.readVarUint(decoder)),
          data: decoding.readVarUint8Array(decoder),
        })),
      }
    case 'stored':
      return { kind, last: decoding.readVarUint(decoder) }
    case 'presence':
      return { kind, update: decoding.readVarUint8Array(decoder) }
    case 'presence-query':
    case 'deleted':
      return { kind }
    case 'stateless':
      return { kind, payload: decoding.readVarString(decoder) }
    case 'direct':
      return { kind, to: decoding.readVarString(decoder), payload: decoding.readVarString(decoder) }
    case 'recheck':
      return { kind, user: decoding.readVarString(decoder), document: decoding.readVarString(decoder) }
    case undefined:
      throw new Error('the kind of the message is not known')
  }
}

function writeList<T>(encoder: encoding.Encoder, items: readonly T[], write: (item: T) => void): void {
  encoding.writeVarUint(encoder, items.length)
  for (const item of items) write(item)
}

/** Each item takes at least a byte, so that a count which is made up ends where the bytes do. */
function readList<T>(decoder: decoding.Decoder, read: () => T): T[] {
  const items: T[] = []
  for (let left = decoding.readVarUint(decoder); left > 0; left--) items.push(read())
  return items
}
