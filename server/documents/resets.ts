import type { Hocuspocus } from '@hocuspocus/server'
import * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { History } from '../history/history.ts'
import type { Durability } from './durability.ts'
import { deletionOfAll, underNewClients } from './new-clients.ts'

/** How long it is tried again while somebody writes in the same moment, ms. */
const PATIENCE_MS = 5_000
/** After so many attempts whoever writes here is sent away before the next one. */
const POLITE_ATTEMPTS = 5

export interface ResetsOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  readonly history: History
  readonly hocuspocus: Hocuspocus
  /** These documents begin anew: whoever has one open is sent away, and they are forgotten. */
  readonly onReset: (names: ReadonlySet<string>) => void
  /** To other instances. */
  readonly tell: (names: Iterable<string>) => void
}

/**
 * Makes documents begin anew with what they were at a position. That content comes under Yjs client ids that nobody has
 * used, so that whatever mentions the former ones is known to be of before. Nothing of the document as it is now is
 * applied: it may be what breaks whoever does.
 */
export class Resets {
  readonly #options: ResetsOptions

  constructor(options: ResetsOptions) {
    this.#options = options
  }

  /**
   * Resolves once it is on disk, and nobody has the document open here.
   * @throws {CoweaveError} `history/no-such-position`, `document/busy`, and as History.state()
   * @throws {StorageError}
   */
  async reset(name: string, user: string, position: number): Promise<{ before: number; position: number }> {
    const { log, durability, history, onReset } = this.#options
    await durability.settled()
    await history.refuseOutside(name, Math.max(1, position), position)
    const state = await history.state(user, name, position)
    const epoch = await log.epoch(name)
    const clocks = new Map<number, number>()
    const owned = new Set((await log.claims(name)).map(({ client }) => client))
    let read = await this.#readBase(clocks, name, epoch)
    const until = performance.now() + PATIENCE_MS
    for (let attempt = 0; performance.now() < until; attempt += 1) {
      // Nobody writes here while they are away.
      if (attempt >= POLITE_ATTEMPTS) onReset(new Set([name]))
      await durability.settled()
      const before = await history.lastPosition(name)
      await this.#addClocks(clocks, name, read, before)
      for (const { client } of await log.claims(name, read)) owned.add(client)
      read = before
      const anew = underNewClients(state, new Set([...clocks.keys(), ...owned]))
      const row = { document: name, at: Date.now(), author: user, epoch }
      const unclaimed = [...clocks.keys()].filter((client) => !owned.has(client))
      const [, stored = 0] = await log.append([
        { ...row, data: deletionOfAll(clocks), clients: unclaimed, expects: { position: before } },
        { ...row, data: anew.update, clients: anew.clients, follows: true, resets: true },
      ])
      if (stored === 0) continue
      await this.#forget(name)
      return { before, position: stored }
    }
    throw new CoweaveError('document/busy', `${name} changes all the time; try again`)
  }

  /** Up to where each Yjs client has written in what is left of forgotten rows. Resolves with where the others begin. */
  async #readBase(clocks: Map<number, number>, name: string, epoch: number): Promise<number> {
    const base = await this.#options.log.retention.historyBase(name)
    if (base === undefined || base.position < epoch) return Math.max(0, epoch - 1)
    for (const [client, end] of Y.parseUpdateMeta(base.state).to) clocks.set(client, end)
    return base.position
  }

  /** Up to where each Yjs client has written, as far as rows tell. */
  async #addClocks(clocks: Map<number, number>, name: string, after: number, until: number): Promise<void> {
    for await (const { data } of this.#options.log.read(name, after, until)) {
      for (const [client, end] of Y.parseUpdateMeta(data).to) clocks.set(client, Math.max(end, clocks.get(client) ?? 0))
    }
  }

  async #forget(name: string): Promise<void> {
    const { hocuspocus, onReset, tell } = this.#options
    onReset(new Set([name]))
    // What it is loaded from may be from before.
    await Promise.allSettled([hocuspocus.loadingDocuments.get(name)])
    onReset(new Set([name]))
    tell([name])
  }
}
