import { randomInt } from 'node:crypto'
import * as encoding from 'lib0/encoding'

/** The text that is typed into. */
export const TEXT = 'text'
const [STRING, HAS_ORIGIN] = [4, 0x80]

/**
 * The updates of who types at the end of a text, one letter each, as Yjs 13 encodes them (writeClientsStructs, Item.write):
 * made without a document, which would take as long as the server that is measured.
 */
export class Typist {
  /** How many letters were typed. */
  length = 0
  readonly #clientId = randomInt(2 ** 32)

  type(): Uint8Array {
    const clock = this.length
    this.length += 1
    return encoding.encode((encoder) => {
      const [clients, structs, deletions] = [1, 1, 0]
      encoding.writeVarUint(encoder, clients)
      encoding.writeVarUint(encoder, structs)
      encoding.writeVarUint(encoder, this.#clientId)
      encoding.writeVarUint(encoder, clock)
      if (clock === 0) {
        encoding.writeUint8(encoder, STRING)
        encoding.writeVarUint(encoder, 1) // its parent has a name
        encoding.writeVarString(encoder, TEXT)
      } else {
        encoding.writeUint8(encoder, STRING | HAS_ORIGIN)
        encoding.writeVarUint(encoder, this.#clientId)
        encoding.writeVarUint(encoder, clock - 1)
      }
      encoding.writeVarString(encoder, 'a')
      encoding.writeVarUint(encoder, deletions)
    })
  }
}
