import * as decoding from 'lib0/decoding'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import { type Address, AuthType, hocuspocusAddress, MessageType, noAddress } from './frames.ts'

const MAX_TOKEN_LENGTH = 16 * 1024

/** A message of a client, taken apart as far as its type. */
export interface Message {
  /** The document, in the Hocuspocus dialect with its session: `<document>` or `<document>\0<session>`. */
  readonly key: string
  readonly type: number
  /** Stands behind the type. */
  readonly decoder: decoding.Decoder
}

/** What differs between the clients' protocols. */
export interface Dialect {
  /** Whether it tells clients that an update is stored. */
  readonly acknowledges: boolean
  /** @throws {AccessError} `protocol/unknown-message`  @throws {Error} when the message can't be decoded */
  read(data: Uint8Array): Message
  addressOf(key: string): Address
}

/** Hocuspocus: each message starts with the document's name, so that many share a socket. */
export const hocuspocusDialect: Dialect = {
  acknowledges: true,
  read(data) {
    const decoder = decoding.createDecoder(data)
    return { key: decoding.readVarString(decoder), type: decoding.readVarUint(decoder), decoder }
  },
  addressOf: hocuspocusAddress,
}

/** What y-websocket clients send. */
const yWebsocketTypes: ReadonlySet<number> = new Set([
  MessageType.Sync,
  MessageType.Awareness,
  MessageType.QueryAwareness,
])

/** y-websocket: one document a socket, named in the URL; no acknowledgements. */
export function yWebsocketDialect(document: string): Dialect {
  return {
    acknowledges: false,
    read(data) {
      const decoder = decoding.createDecoder(data)
      const type = decoding.readVarUint(decoder)
      if (!yWebsocketTypes.has(type)) {
        throw new AccessError('protocol/unknown-message', CloseCode.Malformed, `unknown message type ${type}`)
      }
      return { key: document, type, decoder }
    },
    addressOf: () => noAddress,
  }
}

/** The document in a key of the Hocuspocus dialect. */
export function documentOfKey(key: string): string {
  const end = key.indexOf('\0')
  return end === -1 ? key : key.slice(0, end)
}

/** The token in the message of a client. @throws {Error} for anything else */
export function readToken(decoder: decoding.Decoder): string {
  if (decoding.readVarUint(decoder) !== AuthType.Token) throw new Error('only tokens come from clients')
  const token = decoding.readVarString(decoder)
  if (token.length > MAX_TOKEN_LENGTH) throw new Error('the token is too long')
  return token
}
