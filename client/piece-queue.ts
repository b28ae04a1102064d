import { LENGTH_BYTES } from '../model/tunnel.ts'

/** Messages on their way up through a tunnel, as one stream of bytes that is cut into pieces (model/tunnel.ts). */
export class PieceQueue {
  #parts: Uint8Array[] = []
  #bytes = 0

  /** Bytes that wait. */
  get size(): number {
    return this.#bytes
  }

  push(message: Uint8Array): void {
    const length = new Uint8Array(LENGTH_BYTES)
    new DataView(length.buffer).setUint32(0, message.length)
    this.#parts.push(length, message)
    this.#bytes += LENGTH_BYTES + message.length
  }

  /** Takes up to `maxBytes` from the front. */
  take(maxBytes: number): Uint8Array<ArrayBuffer> {
    const piece = new Uint8Array(Math.min(maxBytes, this.#bytes))
    let filled = 0
    let used = 0
    for (const part of this.#parts) {
      const fitting = part.subarray(0, piece.length - filled)
      piece.set(fitting, filled)
      filled += fitting.length
      if (fitting.length < part.length) {
        this.#parts[used] = part.subarray(fitting.length)
        break
      }
      used += 1
    }
    this.#parts = this.#parts.slice(used)
    this.#bytes -= piece.length
    return piece
  }

  clear(): void {
    this.#parts = []
    this.#bytes = 0
  }
}
