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

/** Whole WebSocket frames, mostly one, headers included: built once, written to as many sockets as should get them. */
export type Frame = Buffer

/** The first byte of a frame: whether the message ends with it, and that it is binary or goes on with one. */
const END = 0x80
const BINARY = 0x02
const CONTINUATION = 0x00

/** A binary WebSocket frame, unmasked and unfragmented as servers send them (RFC 6455, section 5.2). */
export function frameOf(...parts: readonly Uint8Array[]): Frame {
  return frameWith(END | BINARY, parts)
}

/**
 * A sync message in frames of about so many bytes: what is long is written piece by piece, so that it keeps nobody waiting,
 * and pings go in between. They must be sent one right behind the other.
 */
export function* syncFragments(
  address: Address,
  syncType: number,
  payload: Uint8Array,
  bytes: number,
): Generator<Frame> {
  let head = [address, prefixed([MessageType.Sync, syncType], payload.length)]
  for (let from = 0; from === 0 || from < payload.length; from += bytes) {
    const first = (from === 0 ? BINARY : CONTINUATION) | (from + bytes >= payload.length ? END : 0)
    yield frameWith(first, [...head, payload.subarray(from, from + bytes)])
    head = []
  }
}

function frameWith(first: number, parts: readonly Uint8Array[]): Frame {
  let length = 0
  for (const part of parts) length += part.length
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = first
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

/** The messages in whole frames, where something other than a socket carries them. */
export function* messagesOf(frames: Frame): Iterable<Buffer> {
  for (const { payload } of payloadsOf(frames)) yield payload
}

/** What stands in each frame, and whether its message ends there. */
export function* payloadsOf(frames: Frame): Iterable<{ readonly payload: Buffer; readonly isLast: boolean }> {
  let at = 0
  while (at < frames.length) {
    const isLast = ((frames[at] ?? 0) & END) !== 0
    const short = frames[at + 1] ?? 0
    const start = at + (short === 127 ? 10 : short === 126 ? 4 : 2)
    const length =
      short === 127 ? Number(frames.readBigUInt64BE(at + 2)) : short === 126 ? frames.readUInt16BE(at + 2) : short
    at = start + length
    yield { payload: frames.subarray(start, at), isLast }
  }
}

export function syncFrame(address: Address, syncType: number, payload: Uint8Array): Frame {
  return frameOf(address, prefixed([MessageType.Sync, syncType], payload.length), payload)
}

export function awarenessFrame(address: Address, update: Uint8Array): Frame {
  return frameOf(address, prefixed([MessageType.Awareness], update.length), update)
}

const NO_STATES = Uint8Array.of(0)
const silences = new WeakMap<Address, Frame>()

/** Tells nothing, but that the server is there: the same frame for all who share an address. */
export function silenceFrame(address: Address): Frame {
  let frame = silences.get(address)
  if (frame === undefined) {
    frame = awarenessFrame(address, NO_STATES)
    silences.set(address, frame)
  }
  return frame
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

/** Asks a Hocuspocus client for its token once more. */
export function tokenRequestFrame(address: Address): Frame {
  return frameOf(address, Uint8Array.of(MessageType.Auth, AuthType.Token))
}

/** Tells a Hocuspocus client that its token was good, and whether it may write. */
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
