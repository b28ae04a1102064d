import type { ClientClaim } from '../../persistence/client-claim.ts'
import type { NewUpdate } from '../../persistence/update-log.ts'

/** What append() promises of positions, claims and the archive, in the plainest words. */
export class SharedLogModel {
  /** The `at` of each document's rows. */
  readonly #rows = new Map<string, number[]>()
  readonly #claims = new Map<string, ClientClaim[]>()
  /** The ids of each room's messages, by `seq`. */
  readonly #archives = new Map<string, Map<number, string>>()

  append(batch: readonly NewUpdate[]): number[] {
    const broken = new Set<string>()
    let leading = 0
    return batch.map((update) => {
      const isLeftOut = broken.has(update.document) || (update.follows === true && leading === 0)
      const position = isLeftOut ? 0 : this.#store(update, broken)
      if (update.follows !== true) leading = position
      return position
    })
  }

  rowsOf(document: string): number[] {
    return this.#rows.get(document) ?? []
  }

  /** Lowest client id first. */
  claimsOf(document: string): ClientClaim[] {
    return (this.#claims.get(document) ?? []).toSorted((left, right) => left.client - right.client)
  }

  /** Lowest `seq` first. */
  idsOf(room: string): string[] {
    return [...this.#archiveOf(room)].sort(([left], [right]) => left - right).map(([, id]) => id)
  }

  #store({ document, at, author, clients, messages = [], expects }: NewUpdate, broken: Set<string>): number {
    if (expects !== undefined && 'position' in expects) {
      if (this.rowsOf(document).length !== expects.position) return 0
    } else if (expects !== undefined) {
      const archive = this.#archiveOf(expects.room)
      const { lastSeq } = expects
      if (lastSeq !== undefined && Math.max(0, ...archive.keys()) !== lastSeq) return 0
      if (messages.some(({ room, id }) => room === expects.room && [...archive.values()].includes(id))) return 0
    }
    const claims = this.#claims.get(document) ?? []
    if (claims.some(({ client, user }) => clients.includes(client) && user !== author)) {
      broken.add(document)
      return 0
    }
    const rows = this.rowsOf(document)
    const position = rows.push(at)
    this.#rows.set(document, rows)
    for (const client of new Set(clients)) {
      if (!claims.some((claim) => claim.client === client)) claims.push({ client, user: author, position })
    }
    this.#claims.set(document, claims)
    for (const { room, seq: given, id } of messages) {
      const archive = this.#archiveOf(room)
      const seq = given === 0 ? Math.max(0, ...archive.keys()) + 1 : given
      if (!archive.has(seq) && ![...archive.values()].includes(id)) archive.set(seq, id)
    }
    return position
  }

  #archiveOf(room: string): Map<number, string> {
    const archive = this.#archives.get(room) ?? new Map<number, string>()
    this.#archives.set(room, archive)
    return archive
  }
}
