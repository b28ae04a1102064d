import * as Y from 'yjs'
import type { Authored, Change } from '../../model/history.ts'
import type { Authorship } from './authorship.ts'
import { RangeMap } from './range-map.ts'

/** A part of an item that is seen before or now, and to which the same happened as a whole. */
export interface Piece {
  readonly offset: number
  readonly length: number
  /** Whether it was there before, and whether it is there now; one of them is true. */
  readonly was: boolean
  readonly is: boolean
  readonly change: Change | undefined
}

export interface LookOptions {
  /** The document before; it is compared with how it is now. */
  readonly before: Y.Snapshot
  /** A state vector: what is in it is nobody's, although it is new. */
  readonly inherited?: ReadonlyMap<number, number>
  readonly authorship: Authorship
}

/** Compares a document, which keeps what was deleted, with itself at an earlier time. */
export class Look {
  readonly #clocks: ReadonlyMap<number, number>
  readonly #deletedBefore = new RangeMap()
  readonly #inherited: ReadonlyMap<number, number>
  readonly #authorship: Authorship

  constructor({ before, inherited = new Map(), authorship }: LookOptions) {
    this.#inherited = inherited
    this.#clocks = before.sv
    for (const [client, deletions] of before.ds.clients) {
      for (const { clock, len } of deletions) this.#deletedBefore.add(client, clock, clock + len, 0)
    }
    this.#authorship = authorship
  }

  /**
   * The parts of an item that are seen before or now. `around` is what happened to the type that the item is in: with that
   * type also what no row deletes by name is gone.
   */
  *pieces(item: Y.Item, around: Change | undefined): Generator<Piece, void, undefined> {
    if (item.content instanceof Y.ContentDeleted) return
    const { client } = item.id
    const itemEnd = item.id.clock + item.length
    const known = this.#clocks.get(client) ?? 0
    const inherited = this.#inherited.get(client) ?? 0
    for (let clock = item.id.clock; clock < itemEnd; ) {
      const gone = this.#deletedBefore.at(client, clock)
      const existed = clock < known
      const was = existed && gone.value === undefined
      const is = !item.deleted
      const by = is ? this.#authorship.inserted(client, clock) : this.#authorship.deleted(client, clock)
      const isInherited = clock < inherited
      const bounds = [existed ? known : itemEnd, isInherited ? inherited : itemEnd]
      const end = Math.min(itemEnd, gone.end, by.end, ...bounds)
      const kind = is ? 'inserted' : 'deleted'
      const change = was === is || isInherited ? undefined : changeOf(kind, by.row ?? around)
      if (was || is) yield { offset: clock - item.id.clock, length: end - clock, was, is, change }
      clock = end
    }
  }

  /** As pieces(), of an item that is never cut up; undefined where it is seen neither before nor now. */
  piece(item: Y.Item, around: Change | undefined): Piece | undefined {
    const [piece] = this.pieces(item, around)
    return piece
  }
}

/** Of what no row tells about, such as what waited for others, the author is the server. */
export function changeOf(kind: Change['kind'], by: Authored | undefined): Change {
  return { kind, user: by?.user ?? '', at: by?.at ?? 0, position: by?.position ?? 0 }
}
