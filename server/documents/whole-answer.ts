import * as Y from 'yjs'
import { type Address, type Frame, SyncType, syncFrame } from '../connection/frames.ts'
import { joinUpdates } from '../loading/join-updates.ts'
import { NO_CHANGE } from './apply-update.ts'
import { SharedFrames } from './shared-frames.ts'

/** Below this encoding a document costs less than what is kept here would. */
const MIN_BYTES = 128 * 1024
/** What may have come since, as a share of what there was: both are sent. */
const MAX_SHARE = 1 / 2
const MAX_UPDATES = 20_000

/** What an answer begins with. */
interface Base {
  /** Up to where it is what the log has; undefined if it was encoded from the document. */
  readonly position: number | undefined
  readonly frames: readonly SharedFrames[]
  readonly bytes: number
}

/**
 * What those get who have nothing of a document yet: something that holds most of it, and all that was shown since. So that
 * the second to the five hundredth who joins costs no more than the bytes.
 */
export class WholeAnswer {
  readonly #address: Address
  #base: Base | undefined
  #joined: SharedFrames[] = []
  /** What came since those were joined. */
  #updates: Uint8Array[] = []
  #count = 0
  #bytes = 0

  /** `stored` holds the document as it is now, up to that position of the log. */
  constructor(address: Address, stored?: { readonly position: number; readonly frames: readonly SharedFrames[] }) {
    this.#address = address
    if (stored !== undefined) this.#setBase(stored.position, stored.frames)
  }

  /** What is kept here. */
  get bytes(): number {
    return (this.#base?.bytes ?? 0) + this.#bytes
  }

  /** Notes that everybody who has the document was shown an update. */
  add(update: Uint8Array): void {
    if (this.#base === undefined) return
    this.#count += 1
    this.#bytes += update.length
    if (this.#count > MAX_UPDATES || this.#bytes > this.#base.bytes * MAX_SHARE) this.#clear()
    // A copy: what came may be a view into something larger.
    else this.#updates.push(update.slice())
  }

  /** The answer to a replica that has nothing; `encode` gives all that the document shows. */
  framesFor(address: Address, encode: () => Uint8Array): Frame[] {
    if (this.#base === undefined) {
      const state = encode()
      if (state.length < MIN_BYTES) return [syncFrame(address, SyncType.Step2, state)]
      this.#setBase(undefined, [SharedFrames.of(this.#address, state)])
    }
    const base = this.#base?.frames ?? []
    const frames = [...base, ...this.#since()].flatMap((shared) => shared.for(address))
    // Only the last one says that it is all.
    return [...frames, syncFrame(address, SyncType.Step2, NO_CHANGE)]
  }

  /** What came since a position of the log; undefined where that isn't known any more. */
  framesSince(position: number, address: Address): Frame[] | undefined {
    if (this.#base?.position !== position) return undefined
    return this.#since().flatMap((shared) => shared.for(address))
  }

  #since(): readonly SharedFrames[] {
    if (this.#updates.length > 0) {
      const joined = joinUpdates(this.#updates)
      const updates = joined === undefined ? this.#merged() : [joined]
      for (const update of updates) this.#joined.push(SharedFrames.of(this.#address, update))
      this.#updates = []
    }
    return this.#joined
  }

  /** In runs, since merging takes longer than linearly. */
  #merged(): Uint8Array[] {
    const runs: Uint8Array[] = []
    for (let from = 0; from < this.#updates.length; from += 200)
      runs.push(Y.mergeUpdates(this.#updates.slice(from, from + 200)))
    return runs
  }

  #setBase(position: number | undefined, frames: readonly SharedFrames[]): void {
    this.#clear()
    this.#base = { position, frames, bytes: frames.reduce((sum, { bytes }) => sum + bytes, 0) }
  }

  #clear(): void {
    this.#base = undefined
    this.#joined = []
    this.#updates = []
    this.#count = 0
    this.#bytes = 0
  }
}
