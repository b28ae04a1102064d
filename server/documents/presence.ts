import {
  type Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  outdatedTimeout,
  removeAwarenessStates,
} from 'y-protocols/awareness'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { Principal } from '../access/grants.ts'
import { type Entry, encodeEntries, readEntries } from './awareness-entries.ts'
import type { ClientIds } from './client-ids.ts'

const MAX_DEPTH = 32
/** How often it is looked who has gone silent. */
const LOOK_MS = outdatedTimeout / 10
/** Clients renew what they show each half of the time after which it is outdated: within the rest others are told in time. */
const RENEWALS_MS = outdatedTimeout / 6
/** Client ids of one holder: a Y.Doc changes its id when it meets a twin, so one is too few. */
const MAX_IDS = 16
/** Client ids from here on are the server's, for those who show presence over HTTP (visit.ts). Yjs' own are below 2³². */
export const FIRST_VISITOR = 2 ** 52
const POLLUTING_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

/** The origin of what clients of other instances show. */
export const RELAYED = Symbol('relayed')

const jsonObject = z.record(z.string(), z.unknown())

/** What y-protocols tells of a change, as Yjs client ids. */
type Changed = Readonly<Record<'added' | 'updated' | 'removed', readonly number[]>>

/** Who is to know of the presence of Yjs clients. */
export interface PresenceListeners {
  /** They changed what they show, or renewed it; `holder` did, if it was one. */
  readonly onChange: (clients: readonly number[], holder: unknown) => void
  /** It was connections of this instance that changed it. */
  readonly onOwnChange: (clients: readonly number[]) => void
}

/** Who shows presence in a document: one connection of one user. */
export interface PresenceHolder {
  readonly principal: Principal
  /** Counts a change of what it shows. @throws {AccessError} `presence/too-many` */
  countPresence?(): void
  /** Speaks for client ids that are the server's. */
  readonly isVisitor?: boolean
}

/**
 * The presence (awareness) of one document, made trustworthy: a connection speaks for its own Yjs client ids only,
 * each state carries the identity of its token, and what a connection showed disappears with it.
 */
export class Presence {
  readonly #awareness: Awareness
  readonly #clientIds: ClientIds
  readonly #maxStateBytes: number
  readonly #holders = new Map<number, PresenceHolder>()
  /** Added to a client's clocks, so that peers accept a client that came back with the clock it left with. */
  readonly #clockOffsets = new Map<number, number>()
  #looks: NodeJS.Timeout | undefined
  /** Whose presence is news in the change that is being made: the others just say that they are still there. */
  readonly #news = new Set<number>()
  /** Of whom it is told later that they renewed theirs. */
  readonly #renewed = new Set<number>()
  #renewals: NodeJS.Timeout | undefined

  constructor(awareness: Awareness, clientIds: ClientIds, maxStateBytes: number) {
    this.#awareness = awareness
    this.#clientIds = clientIds
    this.#maxStateBytes = maxStateBytes
    // It would look all the time, also in the many documents in which nobody is shown.
    clearInterval(awareness._checkInterval)
    awareness.on('change', (change: Changed) => {
      for (const client of clientsOf(change)) this.#news.add(client)
      this.#lookOn()
    })
    awareness.on('destroy', () => {
      clearInterval(this.#looks)
      clearTimeout(this.#renewals)
    })
  }

  /** Calls them at once when what is shown has changed; where it is only renewed, of all who did that together, a little later. */
  listen(listeners: PresenceListeners): void {
    this.#awareness.on('update', (change: Changed, origin: unknown) => {
      const { news = [], renewed = [] } = Object.groupBy(clientsOf(change), (client) =>
        origin === RELAYED || this.#news.has(client) ? 'news' : 'renewed',
      )
      this.#news.clear()
      for (const client of news) this.#renewed.delete(client)
      for (const client of renewed) this.#renewed.add(client)
      if (news.length > 0) tell(listeners, news, origin)
      if (this.#renewed.size > 0) this.#renewals ??= setTimeout(() => this.#tellRenewed(listeners), RENEWALS_MS).unref()
    })
  }

  /** What the connections of this instance show; undefined when they show nothing. */
  own(): Uint8Array | undefined {
    return this.#encode([...this.#holders.keys()].filter((client) => this.#awareness.states.has(client)))
  }

  /** The presence of some clients, also that they left. */
  of(clients: ReadonlySet<number>): Uint8Array | undefined {
    return this.#encode([...clients].filter((client) => this.#awareness.meta.has(client)))
  }

  /** Whom it shows, of all instances. */
  get users(): readonly string[] {
    return [...this.#awareness.getStates().values()].map(userOf).filter((user) => typeof user === 'string')
  }

  /** What is shown, of all instances. */
  get states(): Iterable<Readonly<Record<string, unknown>>> {
    return this.#awareness.getStates().values()
  }

  /** Whether anything is shown under `client`, on any instance. */
  shows(client: number): boolean {
    return this.#awareness.states.has(client)
  }

  /** Who speaks for `client` now. */
  holderOf(client: number): PresenceHolder | undefined {
    return this.#holders.get(client)
  }

  /**
   * Takes an awareness update from `holder`. States for others' client ids are left out: stock clients repeat what
   * they hear.
   * @throws {AccessError} `presence/too-big`, `presence/too-many`
   * @throws {Error} when it can't be decoded
   */
  receive(holder: PresenceHolder, update: Uint8Array): void {
    const own = readEntries(update).filter((entry) => this.#owns(holder, entry))
    if (own.length === 0) return
    holder.countPresence?.()
    const stamped = own.map(({ client, clock, state }) => ({
      client,
      clock: clock + (this.#clockOffsets.get(client) ?? 0),
      state: this.#stamp(state, holder.principal),
    }))
    applyAwarenessUpdate(this.#awareness, encodeEntries(stamped), holder)
  }

  /**
   * Takes what clients of another instance show, which has checked it.
   * @throws {Error} when it can't be decoded
   */
  receiveRelayed(update: Uint8Array): void {
    const entries = readEntries(update)
    // The client has come here, and all that the other instance noticed is that it left.
    const isStale = ({ client, clock, state }: Entry) =>
      state === 'null' && this.#holders.has(client) && clock >= this.#clockOf(client)
    const stale = entries.filter(isStale)
    const news = entries.filter((entry) => !stale.includes(entry))
    for (const { client, clock, state } of news) {
      if (state !== 'null' && clock > this.#clockOf(client)) this.#holders.delete(client)
    }
    applyAwarenessUpdate(this.#awareness, encodeEntries(news), RELAYED)
    for (const { client, clock } of stale) this.#showAnew(client, clock + 1)
  }

  /** Removes what `holder` shows. */
  leave(holder: PresenceHolder): void {
    const clients = [...this.#holders].filter(([, other]) => other === holder).map(([client]) => client)
    for (const client of clients) this.#holders.delete(client)
    removeAwarenessStates(this.#awareness, clients, holder)
  }

  /** Looks who has gone silent for as long as anybody is shown. */
  #lookOn(): void {
    if (this.#awareness.states.size > 0) {
      this.#looks ??= setInterval(() => this.#removeSilent(), LOOK_MS).unref()
    } else {
      clearInterval(this.#looks)
      this.#looks = undefined
    }
  }

  #removeSilent(): void {
    const { meta, states } = this.#awareness
    const since = Date.now() - outdatedTimeout
    const silent = [...states.keys()].filter((client) => (meta.get(client)?.lastUpdated ?? 0) <= since)
    if (silent.length > 0) removeAwarenessStates(this.#awareness, silent, 'timeout')
  }

  #owns(holder: PresenceHolder, { client, clock, state }: Entry): boolean {
    const current = this.#holders.get(client)
    if (current === holder) return true
    if (client >= FIRST_VISITOR && holder.isVisitor !== true) return false
    // Repeated from somebody who left: taking that id would leave none for the holder's own.
    if (state === 'null') return false
    const { user } = holder.principal
    const owner = this.#clientIds.ownerOf(client)
    if ((owner !== undefined && owner !== user) || (current !== undefined && current.principal.user !== user))
      return false
    const held = [...this.#holders.values()].filter((other) => other === holder).length
    const isFirst = held === 0
    const hasWrittenWithIt = current === undefined && owner === user && held < MAX_IDS
    if (!isFirst && !hasWrittenWithIt) return false
    const known = this.#awareness.meta.get(client)
    const shown = this.#awareness.states.get(client)
    const isElsewhere = shown !== undefined && current === undefined
    if (isElsewhere && userOf(shown) !== user) return false
    // A connection that shows nothing else yet has just come from the other instance.
    const isShown = shown !== undefined && !(isElsewhere && isFirst)
    // Of two connections of a user the one with the newer state has it. What is not newer is a mere repetition, and two
    // clients that repeat what they hear would answer each other for ever if it counted.
    const offset = current === undefined ? 0 : (this.#clockOffsets.get(client) ?? 0)
    if (isShown && known !== undefined && clock + offset <= known.clock) return false
    this.#holders.set(client, holder)
    this.#news.add(client)
    this.#clockOffsets.set(client, isShown || known === undefined ? offset : Math.max(0, known.clock + 1 - clock))
    return true
  }

  #tellRenewed(listeners: PresenceListeners): void {
    this.#renewals = undefined
    const clients = [...this.#renewed]
    if (clients.length === 0) return
    this.#renewed.clear()
    const [holder, ...others] = new Set(clients.map((client) => this.#holders.get(client)))
    tell(listeners, clients, others.length === 0 ? holder : undefined)
  }

  #encode(clients: number[]): Uint8Array | undefined {
    return clients.length === 0 ? undefined : encodeAwarenessUpdate(this.#awareness, clients)
  }

  #clockOf(client: number): number {
    return this.#awareness.meta.get(client)?.clock ?? 0
  }

  /** With a clock that all who took `client` for gone accept. */
  #showAnew(client: number, clock: number): void {
    const state = this.#awareness.states.get(client)
    if (state === undefined) return
    this.#clockOffsets.set(client, (this.#clockOffsets.get(client) ?? 0) + clock - this.#clockOf(client))
    const entry = { client, clock, state: JSON.stringify(state) }
    this.#news.add(client)
    applyAwarenessUpdate(this.#awareness, encodeEntries([entry]), this.#holders.get(client))
  }

  #stamp(text: string, { user, name, agent }: Principal): string {
    if (Buffer.byteLength(text) > this.#maxStateBytes) {
      throw new AccessError(
        'presence/too-big',
        CloseCode.TooBig,
        `a presence state has at most ${this.#maxStateBytes} bytes`,
      )
    }
    const state: unknown = parseSafely(text)
    if (state === null) return 'null'
    refuseTooDeep(state)
    const fields = jsonObject.parse(state)
    const shown = jsonObject.safeParse(fields.user)
    // What is undefined isn't there: nobody but the server says what kind of user somebody is.
    return JSON.stringify({ ...fields, user: { ...shown.data, id: user, name, kind: agent ? 'agent' : undefined } })
  }
}

/** @throws {AccessError} `presence/too-big` for a state that is nested deeper than anybody's, and that JSON may be too deep for */
export function refuseTooDeep(state: unknown): void {
  if (depthOf(state) <= MAX_DEPTH) return
  throw new AccessError('presence/too-big', CloseCode.TooBig, `a presence state has at most ${MAX_DEPTH} levels`)
}

function clientsOf({ added, updated, removed }: Changed): number[] {
  return [...added, ...updated, ...removed]
}

function tell({ onChange, onOwnChange }: PresenceListeners, clients: readonly number[], origin: unknown): void {
  onChange(clients, origin)
  // Each instance notices by itself who is silent.
  if (origin !== RELAYED && origin !== 'timeout') onOwnChange(clients)
}

/** The id of the user that a state shows. */
export function userOf(state: Readonly<Record<string, unknown>>): unknown {
  const shown = jsonObject.safeParse(state.user)
  return shown.data?.id
}

/** JSON.parse without the keys that turn into prototypes when somebody copies the state carelessly. */
function parseSafely(text: string): unknown {
  const isSuspicious = /proto|constructor|\\u/.test(text)
  return JSON.parse(
    text,
    isSuspicious ? (key, value: unknown) => (POLLUTING_KEYS.has(key) ? undefined : value) : undefined,
  )
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let deepest = 0
  let level: object[] = [value]
  while (level.length > 0 && deepest <= MAX_DEPTH) {
    deepest += 1
    level = level.flatMap((item) => Object.values(item).filter((child) => typeof child === 'object' && child !== null))
  }
  return deepest
}
