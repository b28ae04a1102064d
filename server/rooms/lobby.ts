import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import type * as Y from 'yjs'
import { LEAVE_GRACE_MS, lastSeenOf } from '../../model/lobby.ts'
import type { NewEvent } from '../../persistence/event-store.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import { RELAYED, userOf } from '../documents/presence.ts'
import { userOffline, userOnline } from '../events/presence-events.ts'

/** So long after somebody was erased it is not written that they left: all instances close their connections by then. */
const ERASED_MS = 30_000
/** How much longer who left on another instance waits for that one to write it. */
const TAKE_OVER_MS = 2_000

export interface LobbiesOptions {
  /** Keeps a document open while it is used. */
  readonly withDocument: (name: string, use: (document: Y.Doc) => Promise<void>) => Promise<void>
  /** Stores what happened without a change of the lobby. */
  readonly addEvents: (events: readonly NewEvent[]) => Promise<void>
  readonly logger: Logger
}

/** The last device of a user has left. */
interface Leave {
  /** ms since 1970. */
  readonly at: number
  /** When they were seen last before that. */
  readonly before: number | undefined
  readonly cancelled: AbortController
}

/**
 * Writes into lobbies when somebody was last seen: once their last device is gone, on any instance, and none has come
 * within the grace of a reload. The instance that they left writes it, another one only if that doesn't; should both do
 * so, they write nearly the same and one of them stays. Of who is there when a server crashes with no other instance to
 * notice, it is not known.
 */
export class Lobbies {
  readonly #options: LobbiesOptions
  readonly #open = new Map<string, OpenDocument>()
  /** By lobby and user. */
  readonly #leaves = new Map<string, Leave>()
  /** Who was erased lately. */
  readonly #erased = new Set<string>()
  #isStopped = false

  constructor(options: LobbiesOptions) {
    this.#options = options
  }

  /** A lobby is open: follows who is there. */
  opened(open: OpenDocument): void {
    const { awareness } = open.ydoc
    this.#open.set(open.name, open)
    open.ydoc.once('destroy', () => {
      if (this.#open.get(open.name) === open) this.#open.delete(open.name)
    })
    const devices = new Devices()
    awareness.on('change', (change: Record<'added' | 'updated' | 'removed', number[]>, origin: unknown) => {
      for (const client of [...change.added, ...change.updated]) {
        const user = shownBy(open, client)
        const isFirst = user !== undefined && !devices.has(user)
        if (user === undefined || !devices.add(client, user)) continue
        const wasLeaving = this.#cancel(open.name, user)
        // The instance that they came to tells it.
        if (isFirst && !wasLeaving && open.presence.holderOf(client)) void this.#tellOnline(open, user)
      }
      for (const client of change.removed) {
        const user = awareness.states.has(client) ? undefined : devices.remove(client)
        if (user !== undefined && !devices.has(user)) this.#left(open, client, user, origin)
      }
    })
  }

  /** Somebody is erased: that they leave now, or have just left, is not written. */
  erased(user: string): void {
    this.#erased.add(user)
    void setTimeout(ERASED_MS, undefined, { ref: false }).then(() => this.#erased.delete(user))
    for (const name of this.#open.keys()) this.#cancel(name, user)
  }

  /** Writes at once who leaves because this instance stops. To be called before the connections are closed. */
  close(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    const now = Date.now()
    for (const [name, open] of this.#open) {
      const here = [...open.ydoc.awareness.states.keys()].filter((client) => open.presence.holderOf(client))
      const users = new Set(here.map((client) => shownBy(open, client)))
      open.ydoc.transact(() => {
        for (const user of users) if (user !== undefined) write(open, user, now)
        for (const [key, leave] of this.#leaves) {
          if (key.startsWith(keyOf(name, ''))) write(open, key.slice(keyOf(name, '').length), leave.at)
        }
      })
    }
    for (const { cancelled } of this.#leaves.values()) cancelled.abort()
    this.#leaves.clear()
  }

  #left({ name, ydoc, presence }: OpenDocument, client: number, user: string, origin: unknown): void {
    if (this.#isStopped || this.#erased.has(user)) return
    this.#cancel(name, user)
    const isSilent = origin === 'timeout'
    const isElsewhere = origin === RELAYED || (isSilent && presence.holderOf(client) === undefined)
    const leave = {
      at: (isSilent ? ydoc.awareness.meta.get(client)?.lastUpdated : undefined) ?? Date.now(),
      before: lastSeenOf(ydoc).get(user),
      cancelled: new AbortController(),
    }
    this.#leaves.set(keyOf(name, user), leave)
    void this.#writeLater(name, user, leave, LEAVE_GRACE_MS + (isElsewhere ? TAKE_OVER_MS : 0))
  }

  /** The lobby stays open meanwhile, so that it is known who comes back, here or elsewhere. */
  async #writeLater(name: string, user: string, leave: Leave, delayMs: number): Promise<void> {
    const { signal } = leave.cancelled
    try {
      await this.#options.withDocument(name, async (ydoc) => {
        await setTimeout(delayMs, undefined, { signal, ref: false }).catch(() => {})
        if (signal.aborted) return
        this.#leaves.delete(keyOf(name, user))
        const open = this.#open.get(name)
        if (open !== undefined && lastSeenOf(ydoc).get(user) === leave.before) write(open, user, leave.at)
      })
    } catch (error) {
      if (!this.#isStopped) this.#options.logger.error({ document: name, error }, 'who left a lobby is not written')
    } finally {
      if (!signal.aborted) this.#leaves.delete(keyOf(name, user))
    }
  }

  /** Returns whether they were leaving. */
  #cancel(name: string, user: string): boolean {
    const key = keyOf(name, user)
    this.#leaves.get(key)?.cancelled.abort()
    return this.#leaves.delete(key)
  }

  async #tellOnline({ name, ydoc }: OpenDocument, user: string): Promise<void> {
    const passage = { lobby: name, user, at: Date.now(), lastSeen: lastSeenOf(ydoc).get(user) }
    try {
      await this.#options.addEvents([userOnline(passage)])
    } catch (error) {
      // Nobody's edits depend on it; docs/events.md says what is promised.
      if (!this.#isStopped) this.#options.logger.warn({ document: name, error }, 'who came to a lobby is not told')
    }
  }
}

/** Which Yjs clients each user shows. */
class Devices {
  readonly #users = new Map<number, string>()
  readonly #counts = new Map<string, number>()

  has(user: string): boolean {
    return this.#counts.has(user)
  }

  /** Returns whether it is new. */
  add(client: number, user: string): boolean {
    if (this.#users.get(client) === user) return false
    this.remove(client)
    this.#users.set(client, user)
    this.#counts.set(user, (this.#counts.get(user) ?? 0) + 1)
    return true
  }

  /** Returns whose it was. */
  remove(client: number): string | undefined {
    const user = this.#users.get(client)
    if (user === undefined) return undefined
    this.#users.delete(client)
    const left = (this.#counts.get(user) ?? 0) - 1
    if (left > 0) this.#counts.set(user, left)
    else this.#counts.delete(user)
    return user
  }
}

function shownBy({ ydoc }: OpenDocument, client: number): string | undefined {
  const user = userOf(ydoc.awareness.states.get(client) ?? {})
  return typeof user === 'string' ? user : undefined
}

/** The clocks of two instances may differ. */
function write(lobby: OpenDocument, user: string, at: number): void {
  const lastSeen = lastSeenOf(lobby.ydoc)
  const before = lastSeen.get(user)
  if ((before ?? 0) >= at) return
  lobby.happened(userOffline({ lobby: lobby.name, user, at, lastSeen: before }))
  lastSeen.set(user, at)
}

/** A lobby's name has no space in it. */
function keyOf(name: string, user: string): string {
  return `${name} ${user}`
}
