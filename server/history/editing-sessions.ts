import type { EditingSession } from '../../model/history.ts'
import type { LogRow } from '../../persistence/update-log.ts'
import type { Volume } from './volume.ts'

export type MeasuredRow = Pick<LogRow, 'position' | 'at' | 'author'> & Volume

/** Groups rows that come newest first by author and pause. */
export class SessionGrouping {
  readonly #pauseMs: number
  /** Those that earlier rows may still belong to. */
  readonly #open = new Map<string, EditingSession>()
  readonly #closed: EditingSession[] = []
  /** The time of the earliest row until now. */
  #earliest = Number.POSITIVE_INFINITY

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs
  }

  /** How many sessions there are until now. */
  get count(): number {
    return this.#closed.length + this.#open.size
  }

  /** Whether a row at this time, and all before it, belong to no session there is: everybody paused before it. */
  isPause(at: number): boolean {
    return this.#earliest - at > this.#pauseMs
  }

  add(row: MeasuredRow): void {
    if (this.isPause(row.at)) this.#closeAll()
    this.#earliest = Math.min(this.#earliest, row.at)
    const later = this.#open.get(row.author)
    const goesOn = later !== undefined && later.from - row.at <= this.#pauseMs
    if (later !== undefined && !goesOn) this.#closed.push(later)
    this.#open.set(row.author, {
      user: row.author,
      from: Math.min(row.at, goesOn ? later.from : row.at),
      to: Math.max(row.at, goesOn ? later.to : row.at),
      firstPosition: row.position,
      lastPosition: goesOn ? later.lastPosition : row.position,
      updates: (goesOn ? later.updates : 0) + 1,
      inserted: (goesOn ? later.inserted : 0) + row.inserted,
      deleted: (goesOn ? later.deleted : 0) + row.deleted,
    })
  }

  /** All of them, the one that ended last first. */
  end(): EditingSession[] {
    this.#closeAll()
    return this.#closed.sort((left, right) => right.lastPosition - left.lastPosition)
  }

  #closeAll(): void {
    this.#closed.push(...this.#open.values())
    this.#open.clear()
  }
}
