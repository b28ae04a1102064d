import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

const MAX_ENTRIES = 10_000
/** Clocks count changes, so that no client comes near it; more could not be raised for the next one with that id. */
const MAX_CLOCK = 2 ** 40

/** One client's state in an awareness update, as y-protocols encodes it. */
export interface Entry {
  readonly client: number
  readonly clock: number
  readonly state: string
}

/** @throws {Error} when it can't be decoded, and for more than any client sends */
export function readEntries(update: Uint8Array): Entry[] {
  const decoder = decoding.createDecoder(update)
  const count = decoding.readVarUint(decoder)
  if (count > MAX_ENTRIES) throw new Error(`an awareness update with ${count} states`)
  return Array.from({ length: count }, () => {
    const client = decoding.readVarUint(decoder)
    const clock = decoding.readVarUint(decoder)
    if (clock > MAX_CLOCK) throw new Error(`an awareness clock of ${clock}`)
    return { client, clock, state: decoding.readVarString(decoder) }
  })
}

export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, entries.length)
    for (const { client, clock, state } of entries) {
      encoding.writeVarUint(encoder, client)
      encoding.writeVarUint(encoder, clock)
      encoding.writeVarString(encoder, state)
    }
  })
}
