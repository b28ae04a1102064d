import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { AuthType, MessageType, SyncType } from '../../server/connection/frames.ts'
import { FrameSocket, type OpenOptions } from './frame-socket.ts'
import { tokenFor } from './server.ts'

/** The bytes that `write` encodes, behind a document's name in the Hocuspocus dialect; null for y-websocket's. */
export function encoded(name: string | null, write: (encoder: encoding.Encoder) => void): Uint8Array {
  return encoding.encode((encoder) => {
    if (name !== null) encoding.writeVarString(encoder, name)
    write(encoder)
  })
}

export function numbers(name: string | null, ...values: readonly number[]): Uint8Array {
  return encoded(name, (encoder) => {
    for (const value of values) encoding.writeVarUint(encoder, value)
  })
}

export function authMessage(name: string | null, token: string, type: number = AuthType.Token): Uint8Array {
  return encoded(name, (encoder) => {
    encoding.writeVarUint(encoder, MessageType.Auth)
    encoding.writeVarUint(encoder, type)
    encoding.writeVarString(encoder, token)
  })
}

export function syncMessage(
  name: string | null,
  syncType: number,
  payload: Uint8Array,
  type: number = MessageType.Sync,
): Uint8Array {
  return encoded(name, (encoder) => {
    encoding.writeVarUint(encoder, type)
    encoding.writeVarUint(encoder, syncType)
    encoding.writeVarUint8Array(encoder, payload)
  })
}

export function updateMessage(name: string | null, update: Uint8Array): Uint8Array {
  return syncMessage(name, SyncType.Update, update)
}

export interface AwarenessEntry {
  readonly client: number
  readonly clock: number
  /** As it goes over the wire: JSON, or what a test wants there. */
  readonly state: string
}

export function awarenessUpdate(entries: readonly AwarenessEntry[], count = entries.length): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, count)
    for (const { client, clock, state } of entries) {
      encoding.writeVarUint(encoder, client)
      encoding.writeVarUint(encoder, clock)
      encoding.writeVarString(encoder, state)
    }
  })
}

export function awarenessMessage(name: string | null, update: Uint8Array): Uint8Array {
  return encoded(name, (encoder) => {
    encoding.writeVarUint(encoder, MessageType.Awareness)
    encoding.writeVarUint8Array(encoder, update)
  })
}

export function statelessMessage(name: string | null, payload: string, type: number = MessageType.Stateless) {
  return encoded(name, (encoder) => {
    encoding.writeVarUint(encoder, type)
    encoding.writeVarString(encoder, payload)
  })
}

/** A message of the server, taken apart. */
export interface ServerMessage {
  readonly name: string | null
  readonly type: number
  readonly decoder: decoding.Decoder
}

export function readMessage(message: Uint8Array, hasName = true): ServerMessage {
  const decoder = decoding.createDecoder(message)
  const name = hasName ? decoding.readVarString(decoder) : null
  return { name, type: decoding.readVarUint(decoder), decoder }
}

/** Why `message` denies a document, if it does. */
export function deniedReason(message: Uint8Array): string | undefined {
  const { type, decoder } = readMessage(message)
  if (type !== MessageType.Auth || decoding.readVarUint(decoder) !== AuthType.PermissionDenied) return undefined
  return decoding.readVarString(decoder)
}

/** Whether `message` says that an update is stored, or, with false, that it was refused. */
export function syncStatus(message: Uint8Array): boolean | undefined {
  const { type, decoder } = readMessage(message)
  return type === MessageType.SyncStatus ? decoding.readVarInt(decoder) === 1 : undefined
}

/** The update in a sync message of the server of `syncType`. */
export function syncPayload(message: Uint8Array, syncType: number, hasName = true): Uint8Array | undefined {
  const { type, decoder } = readMessage(message, hasName)
  if (type !== MessageType.Sync || decoding.readVarUint(decoder) !== syncType) return undefined
  return decoding.readVarUint8Array(decoder)
}

/** The states in an awareness message of the server: client id and state. */
export function awarenessStates(message: Uint8Array, hasName = true): [number, unknown][] {
  const { type, decoder } = readMessage(message, hasName)
  if (type !== MessageType.Awareness) return []
  const update = decoding.createDecoder(decoding.readVarUint8Array(decoder))
  return Array.from({ length: decoding.readVarUint(update) }, () => {
    const client = decoding.readVarUint(update)
    decoding.readVarUint(update)
    return [client, JSON.parse(decoding.readVarString(update))]
  })
}

/** A frame socket with `name` open for `token`, in the Hocuspocus dialect: the server has answered a sync step 1. */
export async function openFrameSocket(
  server: { readonly port: number },
  name: string,
  options: OpenOptions & { readonly user?: string; readonly token?: string } = {},
): Promise<FrameSocket> {
  const socket = await FrameSocket.open(server, options)
  socket.send(authMessage(name, options.token ?? tokenFor(options.user ?? 'mallory')))
  socket.send(syncMessage(name, SyncType.Step1, Y.encodeStateVector(new Y.Doc())))
  await socket.message((message) => {
    const reason = deniedReason(message)
    if (reason !== undefined) throw new Error(`denied: ${reason}`)
    return syncPayload(message, SyncType.Step2) !== undefined
  })
  return socket
}

/** The same in y-websocket's dialect. */
export async function openYFrameSocket(
  server: { readonly port: number },
  name: string,
  options: { readonly user?: string; readonly token?: string } = {},
): Promise<FrameSocket> {
  const token = options.token ?? tokenFor(options.user ?? 'mallory')
  const socket = await FrameSocket.open(server, { path: `/yjs/${encodeURI(name)}?token=${token}` })
  socket.send(syncMessage(null, SyncType.Step1, Y.encodeStateVector(new Y.Doc())))
  await socket.message((message) => syncPayload(message, SyncType.Step2, false) !== undefined)
  return socket
}

/** The update that `edit` makes in a new Y.Doc with this client id. */
export function updateOf(clientID: number, edit: (ydoc: Y.Doc) => void): Uint8Array {
  const ydoc = new Y.Doc()
  ydoc.clientID = clientID
  edit(ydoc)
  return Y.encodeStateAsUpdate(ydoc)
}
