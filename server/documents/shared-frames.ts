import { setImmediate } from 'node:timers/promises'
import { type Address, type Frame, messagesOf, noAddress, SyncType, syncFragments } from '../connection/frames.ts'

const FRAGMENT_BYTES = 64 * 1024
/** What is copied in one turn of the loop. */
const TURN_BYTES = 1024 * 1024

/** An update as the frames that carry it to whoever has nothing yet: made once, however many get it. */
export class SharedFrames {
  readonly bytes: number
  readonly #address: Address
  readonly #frames = new Map<Address, readonly Frame[]>()

  /** `address` is that of most who will get it. */
  static of(address: Address, update: Uint8Array): SharedFrames {
    return new SharedFrames(address, update.length, [...framesOf(address, update)])
  }

  /** The same, while others go on. */
  static async besideOthers(address: Address, update: Uint8Array): Promise<SharedFrames> {
    const frames: Frame[] = []
    let copied = 0
    for (const frame of framesOf(address, update)) {
      frames.push(frame)
      copied += frame.length
      if (copied < TURN_BYTES) continue
      copied = 0
      await setImmediate()
    }
    return new SharedFrames(address, update.length, frames)
  }

  private constructor(address: Address, bytes: number, frames: readonly Frame[]) {
    this.#address = address
    this.bytes = bytes
    this.#frames.set(address, frames)
  }

  for(address: Address): readonly Frame[] {
    const shared = this.#frames.get(address)
    if (shared !== undefined) return shared
    const frames = [...framesOf(address, this.#update())]
    // Other addresses are those of single clients.
    if (address === noAddress) this.#frames.set(address, frames)
    return frames
  }

  /** Read back out of the frames, since nothing else keeps it. */
  #update(): Uint8Array {
    const message = Buffer.concat((this.#frames.get(this.#address) ?? []).flatMap((frame) => [...messagesOf(frame)]))
    return message.subarray(message.length - this.bytes)
  }
}

function framesOf(address: Address, update: Uint8Array): Generator<Frame> {
  return syncFragments(address, SyncType.Update, update, FRAGMENT_BYTES)
}
