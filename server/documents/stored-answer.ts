import type { StoredDocument } from '../../persistence/update-log.ts'
import { type Address, hocuspocusAddress } from '../connection/frames.ts'
import { SharedFrames } from './shared-frames.ts'

/** Below this a document is built, and encoded for who comes, in a few milliseconds. */
const MIN_BYTES = 128 * 1024

/** What the log has of a document, for those who have nothing of it yet: it can be sent before the document is built. */
export interface StoredAnswer {
  /** What it holds is committed up to here… */
  readonly position: number
  /** …in content that begins here (see StoredDocument)… */
  readonly epoch: number
  /** …and when the log was asked, on the clock of `performance`. */
  readonly at: number
  readonly address: Address
  readonly snapshot: Promise<SharedFrames>
  /** What came behind the snapshot; undefined where some of it waits for what has not come, and must not be shown. */
  readonly tail: Promise<readonly SharedFrames[] | undefined>
}

export function bytesOf({ parts }: StoredDocument): number {
  return parts.reduce((sum, { length }) => sum + length, 0)
}

/** Undefined where it isn't worth it, or can't be told from what is stored. `tail` is the joined tail. */
export function storedAnswer(
  name: string,
  stored: StoredDocument,
  at: number,
  tail: Promise<Uint8Array | undefined>,
): StoredAnswer | undefined {
  const { position, epoch, vector, parts } = stored
  const [snapshot] = parts
  if (vector === undefined || snapshot === undefined || bytesOf(stored) < MIN_BYTES) return undefined
  const address = hocuspocusAddress(name)
  return {
    position,
    epoch,
    at,
    address,
    snapshot: SharedFrames.besideOthers(address, snapshot),
    tail: tail.then((joined) => joined && (parts.length > 1 ? [SharedFrames.of(address, joined)] : [])),
  }
}
