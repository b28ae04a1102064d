import * as Y from 'yjs'
import type { Authored } from '../../model/history.ts'
import type { LogRow } from '../../persistence/update-log.ts'
import { decodeRow } from './decode-row.ts'
import { RangeMap } from './range-map.ts'

/** A row, and the first clock behind those of which the same is true. */
export interface AuthoredRange {
  readonly row: Authored | undefined
  readonly end: number
}

/**
 * Which row brought each struct, and which deleted it: the first in the log. Not whose the Yjs client id is, since a
 * relay sends what others' clients made.
 */
export class Authorship {
  readonly #rows: Authored[] = []
  readonly #inserted = new RangeMap()
  readonly #deleted = new RangeMap()

  /** Rows come in the order of their positions. @throws {StorageError} `storage/corrupt` */
  add(document: string, row: LogRow): void {
    const { structs, ds } = decodeRow(document, row)
    const index = this.#rows.push({ user: row.author, at: row.at, position: row.position }) - 1
    for (const struct of structs) {
      if (struct instanceof Y.Skip) continue
      const { client, clock } = struct.id
      this.#inserted.add(client, clock, clock + struct.length, index)
    }
    for (const [client, deletions] of ds.clients) {
      for (const { clock, len } of deletions) this.#deleted.add(client, clock, clock + len, index)
    }
  }

  inserted(client: number, clock: number): AuthoredRange {
    return this.#range(this.#inserted, client, clock)
  }

  deleted(client: number, clock: number): AuthoredRange {
    return this.#range(this.#deleted, client, clock)
  }

  #range(map: RangeMap, client: number, clock: number): AuthoredRange {
    const { value, end } = map.at(client, clock)
    return { row: value === undefined ? undefined : this.#rows[value], end }
  }
}
