/** What a document's tail (the rows behind its newest snapshot) weighs against that snapshot. */
export interface TailWeight {
  readonly tailBytes: number
  readonly tailRows: number
  /** Bytes of the newest snapshot; 0 when there is none. */
  readonly snapshotBytes: number
}

/** Below this a tail is read and applied in a few milliseconds; snapshots of it would cost more than they save. */
const MIN_TAIL_BYTES = 256 * 1024
/** A row costs time to read and apply, however short it is: 5 to 15 µs, so this many cost 10 to 30 ms. */
const MIN_TAIL_ROWS = 2_000
/** What one more row in the tail is worth in snapshot bytes; see below. */
const SNAPSHOT_BYTES_PER_ROW = 40

/**
 * Whether it is time for a new snapshot: once the tail outweighs the last one, in bytes or in rows.
 *
 * Writing them all costs no more than a constant times the log. A snapshot is about no bigger than what it is made
 * from, S' ≤ S + T. By the first rule S < T, hence S' < 2T. By the second S < 40 bytes for each row of the tail, and
 * a Yjs update is hardly ever below 20 bytes, hence S < 2T and S' < 3T. Each T is counted once, since the next tail
 * starts behind the new snapshot: all snapshots together stay below three times the bytes of the log, and below
 * twice where updates are bigger than keystrokes.
 *
 * Opening a document, in turn, reads a snapshot and at most a tail of the same weight.
 */
export function shouldCompact({ tailBytes, tailRows, snapshotBytes }: TailWeight): boolean {
  return (
    tailBytes > Math.max(MIN_TAIL_BYTES, snapshotBytes) ||
    tailRows > Math.max(MIN_TAIL_ROWS, snapshotBytes / SNAPSHOT_BYTES_PER_ROW)
  )
}
