import type { Logger } from 'pino'
import { roomOf } from '../../model/rooms.ts'
import type { AdminStore, NewRestriction, Restriction, RestrictionKind } from '../../persistence/admin-store.ts'
import { goesWith } from '../../persistence/beside.ts'
import type { Principal } from '../access/grants.ts'
import { muted } from '../access/muted.ts'
import type { Relay } from '../cluster/relay.ts'

/** How often the database is asked what other instances were told. With a relay too, which promises nothing. */
const POLL_MS = 1_000
/** What instances tell each other through the relay. No document has this name: it has an empty segment. */
const TOPIC = '/restrictions'

export interface RestrictionsOptions {
  readonly store: AdminStore
  readonly relay: Relay | undefined
  readonly logger: Logger
  /** A user is to be sent away; told on every instance, once each. */
  readonly onKick: (kick: Restriction) => void
  /** isRevoked() says something else than before. */
  readonly onRevoked: () => void
  readonly pollMs?: number
}

/** Whom admins keep from what, as the database has it: read at the start, and again and again. */
export class Restrictions {
  readonly #options: RestrictionsOptions
  /** By kind and user; one for each document. */
  readonly #standing = new Map<string, Map<string, Restriction>>()
  readonly #timer: NodeJS.Timeout
  #version = 0
  #reading: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #isFailing = false
  #isClosed = false

  /** @throws {StorageError} */
  static async open(options: RestrictionsOptions): Promise<Restrictions> {
    const restrictions = new Restrictions(options)
    // Whoever was kicked before this instance began has no connection here.
    for (const each of await options.store.restrictions({ after: 0 })) restrictions.#take(each)
    await options.relay?.subscribe(TOPIC, () => void restrictions.#poll())
    return restrictions
  }

  private constructor(options: RestrictionsOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.#poll(), options.pollMs ?? POLL_MS)
    this.#timer.unref()
  }

  /** Whether the user may only read the document. Own inbox and status are no documents that others read. */
  isMuted(user: string, document: string): boolean {
    const mutes = this.#of('mute', user)
    if (mutes.length === 0) return false
    const room = roomOf(document)
    if (room?.kind === 'inbox' || room?.kind === 'lobby') return false
    return mutes.some(
      (mute) => mute.document === '' || goesWith(mute.document, document) || mute.document === room?.room,
    )
  }

  /** @throws {AccessError} `access/muted` */
  refuseMuted(user: string, document: string): void {
    if (this.isMuted(user, document)) throw muted()
  }

  /**
   * Whether a token was issued up to the second in which an admin revoked those of its user; one that doesn't say when it
   * was issued may have been.
   */
  isRevoked({ user, issuedAt }: Pick<Principal, 'user' | 'issuedAt'>): boolean {
    const [revocation] = this.#of('revocation', user)
    if (revocation === undefined) return false
    return issuedAt === undefined || issuedAt < Math.ceil(revocation.at / 1000) * 1000
  }

  /** All that stand now. */
  get standing(): Restriction[] {
    return [...this.#standing.values()].flatMap((byDocument) => [...byDocument.values()]).filter(isStanding)
  }

  /**
   * Resolves once it is on disk, and holds here, as far as the database can be read; other instances hear of it.
   * @throws {StorageError}
   */
  async add(restriction: NewRestriction): Promise<void> {
    const { store, relay } = this.#options
    const last = await store.restrict(restriction)
    relay?.publish(TOPIC, { kind: 'stored', last })
    await this.#poll()
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }

  #of(kind: RestrictionKind, user: string): Restriction[] {
    // Asked for each change of a document; mostly nobody is kept from anything.
    if (this.#standing.size === 0) return []
    const byDocument = this.#standing.get(keyOf({ kind, user }))
    return byDocument === undefined ? [] : [...byDocument.values()].filter(isStanding)
  }

  async #poll(): Promise<void> {
    if (this.#isClosed) return
    try {
      await this.#readOn()
      this.#isFailing = false
    } catch (error) {
      // What was known holds, and it is tried again.
      if (!this.#isFailing && !this.#isClosed)
        this.#options.logger.error({ error }, 'whom admins keep from what can not be read now')
      this.#isFailing = true
    }
  }

  /** Takes all that was stored before the call: one read at a time, and one more for all who ask meanwhile. */
  #readOn(): Promise<void> {
    this.#next ??= this.#reading.then(() => {
      const read = this.#read()
      this.#next = undefined
      this.#reading = read.catch(() => {}) // told to who asked
      return read
    })
    return this.#next
  }

  async #read(): Promise<void> {
    for (const restriction of await this.#options.store.restrictions({ after: this.#version })) {
      this.#take(restriction)
      if (restriction.kind === 'kick') this.#options.onKick(restriction)
      if (restriction.kind === 'revocation') this.#options.onRevoked()
    }
  }

  #take(restriction: Restriction): void {
    this.#version = restriction.version
    const key = keyOf(restriction)
    const byDocument = this.#standing.get(key) ?? new Map<string, Restriction>()
    if (isStanding(restriction)) byDocument.set(restriction.document, restriction)
    else byDocument.delete(restriction.document)
    if (byDocument.size > 0) this.#standing.set(key, byDocument)
    else this.#standing.delete(key)
  }
}

function isStanding({ until }: Restriction): boolean {
  return until === undefined || until > Date.now()
}

function keyOf({ kind, user }: Pick<Restriction, 'kind' | 'user'>): string {
  return `${kind} ${user}`
}
