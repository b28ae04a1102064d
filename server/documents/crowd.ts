import type { Awareness } from 'y-protocols/awareness'
import { encodeCrowd } from '../../model/crowd.ts'
import { encodeEntries } from './awareness-entries.ts'
import { userOf } from './presence.ts'

/** How often it is told at most how many are not shown. */
const COUNT_MS = 1_000

export interface CrowdOptions {
  /** Of so many Yjs clients presence is told. */
  readonly max: number
  readonly onCount: (notice: string) => void
}

/**
 * Whose presence is told to those who have a document open: everybody's, up to a number. Of a crowd it is that of those who
 * came first, until others edit: whoever does is shown, in the place of who has not for longest. Of the rest it is told how
 * many they are.
 */
export class Crowd {
  readonly #awareness: Awareness
  readonly #options: CrowdOptions
  /** Those who have not edited for longest come first. */
  readonly #shown = new Set<number>()
  readonly #unseen = new Set<number>()
  #told = 0
  #timer: NodeJS.Timeout | undefined

  constructor(awareness: Awareness, options: CrowdOptions) {
    this.#awareness = awareness
    this.#options = options
  }

  /** What these clients show has changed. Returns of whom to tell. */
  changed(clients: readonly number[]): readonly number[] {
    const told = clients.filter((client) => this.#take(client))
    for (const client of this.#unseen) {
      if (this.#shown.size >= this.#options.max) break
      this.#unseen.delete(client)
      this.#shown.add(client)
      told.push(client)
    }
    this.#count()
    return told
  }

  /** These clients have edited. Returns of whom to tell. */
  edited(clients: Iterable<number>): readonly number[] {
    if (this.#unseen.size === 0) return []
    const told: number[] = []
    for (const client of clients) {
      if (this.#shown.delete(client)) this.#shown.add(client)
      else if (this.#unseen.delete(client)) told.push(client, ...this.#showInstead(client))
    }
    return told
  }

  /** The presence of these clients, as it is told: nothing of those who are not shown. */
  encode(clients: Iterable<number>): Uint8Array | undefined {
    const entries = [...clients].flatMap((client) => {
      const known = this.#awareness.meta.get(client)
      if (known === undefined) return []
      const state = this.#shown.has(client) ? (this.#awareness.states.get(client) ?? null) : null
      return [{ client, clock: known.clock, state: JSON.stringify(state) }]
    })
    return entries.length === 0 ? undefined : encodeEntries(entries)
  }

  /** What is told to who comes. */
  current(): Uint8Array | undefined {
    return this.encode(this.#shown)
  }

  /** How many are not shown, for who comes; undefined if all are. */
  get notice(): string | undefined {
    return this.#told === 0 ? undefined : encodeCrowd({ unseen: this.#told })
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  /** Returns whether to tell of it. */
  #take(client: number): boolean {
    if (!this.#awareness.states.has(client)) {
      this.#unseen.delete(client)
      return this.#shown.delete(client)
    }
    if (this.#shown.has(client)) return true
    if (this.#shown.size >= this.#options.max) {
      this.#unseen.add(client)
      return false
    }
    this.#shown.add(client)
    return true
  }

  /** Returns who isn't shown any more. */
  #showInstead(client: number): number[] {
    const silent = [...this.#shown.keys().take(Math.max(0, this.#shown.size + 1 - this.#options.max))]
    for (const other of silent) {
      this.#shown.delete(other)
      this.#unseen.add(other)
    }
    this.#shown.add(client)
    return silent
  }

  #count(): void {
    if (this.#unseen.size === 0 && this.#told === 0) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const unseen = this.#unseenUsers()
      if (unseen === this.#told) return
      this.#told = unseen
      this.#options.onCount(encodeCrowd({ unseen }))
    }, COUNT_MS)
  }

  #unseenUsers(): number {
    const users = (clients: Iterable<number>) =>
      new Set(Array.from(clients, (client) => userOf(this.#awareness.states.get(client) ?? {})))
    return users(this.#unseen).difference(users(this.#shown)).size
  }
}
