import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import {
  type Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from 'y-protocols/awareness'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { Principal } from '../access/grants.ts'
import type { ClientIds } from './client-ids.ts'

const MAX_ENTRIES = 10_000
/** Clocks count changes, so that no client comes near it; more could not be raised for the next one with that id. */
const MAX_CLOCK = 2 ** 40
const MAX_DEPTH = 32
/** Client ids of one holder: a Y.Doc changes its id when it meets a twin, so one is too few. */
const MAX_IDS = 16
const POLLUTING_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

const jsonObject = z.record(z.string(), z.unknown())

/** Who shows presence in a document: one connection of one user. */
export interface PresenceHolder {
  readonly principal: Principal
  /** Counts a change of what it shows. @throws {AccessError} `presence/too-many` */
  countPresence?(): void
}

interface Entry {
  readonly client: number
  readonly clock: number
  readonly state: string
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

  constructor(awareness: Awareness, clientIds: ClientIds, maxStateBytes: number) {
    this.#awareness = awareness
    this.#clientIds = clientIds
    this.#maxStateBytes = maxStateBytes
  }

  /** Calls `listener` with each change as an awareness update, and whose frame caused it. */
  onChange(listener: (update: Uint8Array, holder: unknown) => void): void {
    this.#awareness.on('update', (change: Record<'added' | 'updated' | 'removed', number[]>, origin: unknown) => {
      listener(encodeAwarenessUpdate(this.#awareness, [...change.added, ...change.updated, ...change.removed]), origin)
    })
  }

  /** All states, or undefined when nobody shows any. */
  current(): Uint8Array | undefined {
    const clients = [...this.#awareness.getStates().keys()]
    return clients.length === 0 ? undefined : encodeAwarenessUpdate(this.#awareness, clients)
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
    const stamped = encoding.encode((encoder) => {
      encoding.writeVarUint(encoder, own.length)
      for (const { client, clock, state } of own) {
        encoding.writeVarUint(encoder, client)
        encoding.writeVarUint(encoder, clock + (this.#clockOffsets.get(client) ?? 0))
        encoding.writeVarString(encoder, this.#stamp(state, holder.principal))
      }
    })
    applyAwarenessUpdate(this.#awareness, stamped, holder)
  }

  /** Removes what `holder` shows. */
  leave(holder: PresenceHolder): void {
    const clients = [...this.#holders].filter(([, other]) => other === holder).map(([client]) => client)
    for (const client of clients) this.#holders.delete(client)
    removeAwarenessStates(this.#awareness, clients, holder)
  }

  #owns(holder: PresenceHolder, { client, clock, state }: Entry): boolean {
    const current = this.#holders.get(client)
    if (current === holder) return true
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
    const isShown = this.#awareness.states.has(client)
    // Of two connections of a user the one with the newer state has it. What is not newer is a mere repetition, and two
    // clients that repeat what they hear would answer each other for ever if it counted.
    if (isShown && known !== undefined && clock <= known.clock) return false
    this.#holders.set(client, holder)
    this.#clockOffsets.set(client, isShown || known === undefined ? 0 : Math.max(0, known.clock + 1 - clock))
    return true
  }

  #stamp(text: string, { user, name }: Principal): string {
    if (Buffer.byteLength(text) > this.#maxStateBytes) {
      throw new AccessError(
        'presence/too-big',
        CloseCode.TooBig,
        `a presence state has at most ${this.#maxStateBytes} bytes`,
      )
    }
    const state: unknown = parseSafely(text)
    if (state === null) return 'null'
    if (depthOf(state) > MAX_DEPTH) {
      throw new AccessError('presence/too-big', CloseCode.TooBig, `a presence state has at most ${MAX_DEPTH} levels`)
    }
    const fields = jsonObject.parse(state)
    const shown = jsonObject.safeParse(fields.user)
    return JSON.stringify({ ...fields, user: { ...shown.data, id: user, name } })
  }
}

function readEntries(update: Uint8Array): Entry[] {
  const decoder = decoding.createDecoder(update)
  const count = decoding.readVarUint(decoder)
  if (count > MAX_ENTRIES) throw new Error(`an awareness update with ${count} states`)
  return Array.from({ length: count }, () => {
    const client = decoding.readVarUint(decoder)
    const clock = decoding.readVarUint(decoder)
    if (clock > MAX_CLOCK) throw new Error(`an awareness clock of ${clock}`)
    return { client, clock, state: decoding.readVarString(decoder) }
  })
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
