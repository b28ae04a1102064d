import * as encoding from 'lib0/encoding'

/** The first number behind the address in a Hocuspocus message; 0, 1, 2 and 3 are those of y-websocket too. */
export const MessageType = {
  Sync: 0,
  Awareness: 1,
  Auth: 2,
  QueryAwareness: 3,
  SyncReply: 4,
  Stateless: 5,
  Close: 7,
  SyncStatus: 8,
  Ping: 9,
  Pong: 10,
} as const

/** The number behind Sync and SyncReply, from y-protocols/sync. */
export const SyncType = { Step1: 0, Step2: 1, Update: 2 } as const

/** The number behind Auth, from @hocuspocus/common. */
export const AuthType = { Token: 0, PermissionDenied: 1, Authenticated: 2 } as const

/** What starts each message of one document on one socket: its name in the Hocuspocus dialect, nothing in y-websocket's. */
export type Address = Uint8Array

export const noAddress: Address = new Uint8Array(0)

export function hocuspocusAddress(key: string): Address {
  return encoding.encode((encoder) => encoding.writeVarString(encoder, key))
}

/** A whole WebSocket frame, header included: built once, written to as many sockets as should get it. */
export type Frame = Buffer

/** A binary WebSocket frame, unmasked and unfragmented as servers send them (RFC 6455, section 5.2). */
export function frameOf(...parts: readonly Uint8Array[]): Frame {
  let length = 0
  for (const part of parts) length += part.length
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = 0x82
  if (headerLength === 2) {
    frame[1] = length
  } else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  let offset = headerLength
  for (const part of parts) {
    frame.set(part, offset)
    offset += part.length
  }
  return frame
}

/** The message in a frame, where something other than a socket carries it. */
export function messageOf(frame: Frame): Buffer {
  const length = frame[1]
  return frame.subarray(length === 127 ? 10 : length === 126 ? 4 : 2)
}

export function syncFrame(address: Address, syncType: number, payload: Uint8Array): Frame {
  return frameOf(address, prefixed([MessageType.Sync, syncType], payload.length), payload)
}

export function awarenessFrame(address: Address, update: Uint8Array): Frame {
  return frameOf(address, prefixed([MessageType.Awareness], update.length), update)
}

/** Tells a Hocuspocus client that its update is stored, or that it was refused. */
export function syncStatusFrame(address: Address, stored: boolean): Frame {
  return frameOf(address, Uint8Array.of(MessageType.SyncStatus, stored ? 1 : 0))
}

export function statelessFrame(address: Address, payload: string): Frame {
  const body = encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, MessageType.Stateless)
    encoding.writeVarString(encoder, payload)
  })
  return frameOf(address, body)
}

export function permissionDeniedFrame(address: Address, reason: string): Frame {
  const body = encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, MessageType.Auth)
    encoding.writeVarUint(encoder, AuthType.PermissionDenied)
    encoding.writeVarString(encoder, reason)
  })
  return frameOf(address, body)
}

/** Tells a Hocuspocus client whether it may write. */
export function scopeFrame(address: Address, mayWrite: boolean): Frame {
  const body = encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, MessageType.Auth)
    encoding.writeVarUint(encoder, AuthType.Authenticated)
    encoding.writeVarString(encoder, mayWrite ? 'read-write' : 'readonly')
  })
  return frameOf(address, body)
}

function prefixed(numbers: readonly number[], length: number): Uint8Array {
  return encoding.encode((encoder) => {
    for (const number of numbers) encoding.writeVarUint(encoder, number)
    encoding.writeVarUint(encoder, length)
  })
}
