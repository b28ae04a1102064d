import { createDecoder, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { encode, writeVarString, writeVarUint, writeVarUint8Array } from 'lib0/encoding'
import type { ArchivedMessage, FoundMessages } from '../message-store.ts'
import { unpackAll } from '../read-list.ts'
import type { StoredMessage } from '../stored-message.ts'
import type { Packed } from './plain-replies.ts'

// What requests for messages are answered with, packed by the worker and unpacked by the main thread.

export function packMessages(messages: readonly StoredMessage[]): Packed {
  return encode((encoder) => {
    for (const { room, seq, id, data } of messages) {
      writeVarString(encoder, room)
      writeVarUint(encoder, seq)
      writeVarString(encoder, id)
      writeVarUint8Array(encoder, data)
    }
  })
}

export function unpackMessages(packed: Uint8Array): ArchivedMessage[] {
  // A message's JSON is packed as bytes, as it is stored; a string has the same form.
  return unpackAll(packed, (decoder) => ({
    room: readVarString(decoder),
    seq: readVarUint(decoder),
    id: readVarString(decoder),
    json: readVarString(decoder),
  }))
}

export interface SearchReply {
  readonly messages: readonly StoredMessage[]
  readonly next: number | undefined
}

export function packFoundMessages({ messages, next = 0 }: SearchReply): Packed {
  return encode((encoder) => {
    writeVarUint(encoder, next) // rows count from 1
    writeVarUint8Array(encoder, packMessages(messages))
  })
}

export function unpackFoundMessages(packed: Packed): FoundMessages {
  const decoder = createDecoder(packed)
  const next = readVarUint(decoder) || undefined
  return { messages: unpackMessages(readVarUint8Array(decoder)), next }
}
