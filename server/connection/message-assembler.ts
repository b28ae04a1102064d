import { LENGTH_BYTES } from '../../model/tunnel.ts'

/** Puts together the messages of a stream of bytes that comes in pieces, cut anywhere. */
export class MessageAssembler {
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes of a message whose end has not come. */
  get waitingBytes(): number {
    return this.#bytes
  }

  /** The messages that `piece` completes. @throws {RangeError} for one of more than `maxBytes`, as soon as it begins */
  push(piece: Buffer): Buffer[] {
    this.#parts.push(piece)
    this.#bytes += piece.length
    const messages: Buffer[] = []
    for (let length = this.#nextLength(); length !== undefined; length = this.#nextLength()) {
      if (this.#bytes < LENGTH_BYTES + length) break
      const bytes = this.#whole()
      messages.push(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
      const rest = bytes.subarray(LENGTH_BYTES + length)
      this.#parts = rest.length === 0 ? [] : [rest]
      this.#bytes = rest.length
    }
    return messages
  }

  #nextLength(): number | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined
    const [first] = this.#parts
    const header = first !== undefined && first.length >= LENGTH_BYTES ? first : this.#whole()
    const length = header.readUInt32BE(0)
    if (length > this.#maxBytes) throw new RangeError(`a message has at most ${this.#maxBytes} bytes`)
    return length
  }

  #whole(): Buffer {
    const [first] = this.#parts
    const bytes = this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts)
    this.#parts = [bytes]
    return bytes
  }
}
