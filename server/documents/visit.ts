import { createHash } from 'node:crypto'
import type { Level, Principal } from '../access/grants.ts'
import type { Address } from '../connection/frames.ts'
import { encodeEntries } from './awareness-entries.ts'
import type { Author } from './guard.ts'
import type { OpenDocument } from './open-document.ts'
import { FIRST_VISITOR, refuseTooDeep } from './presence.ts'
import type { Subscriber } from './subscribers.ts'

/** How often it is shown again: of whom nothing is heard for 30 s, clients think that they are gone. */
const HEARTBEAT_MS = 10_000

/** What is shown beside who it is. */
export type ShownFields = Readonly<Record<string, unknown>>

/** Somebody shown in a document who has no connection: for a time, which each request makes longer. */
export class Visit implements Subscriber {
  readonly address: Address
  readonly isVisitor = true
  /** Resolves once nothing of it is shown any more. */
  readonly ended: Promise<void>
  readonly #document: OpenDocument
  readonly #client: number
  readonly #end: () => void
  #author: Author
  #fields: ShownFields = {}
  #hasEnded = false
  #shownAt = Date.now()
  #clock = 0
  /** On the clock of `performance`. */
  #until = 0
  #timer: NodeJS.Timeout | undefined

  constructor(document: OpenDocument, author: Author) {
    this.#document = document
    this.#author = author
    this.address = document.address
    this.#client = visitorId(document.name, author.principal.user)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = resolve
    document.ydoc.once('destroy', () => this.end())
    document.join(this)
  }

  get principal(): Principal {
    return this.#author.principal
  }

  get level(): Level {
    return this.#author.level
  }

  get fields(): ShownFields {
    return this.#fields
  }

  /** When it was last asked for, ms since 1970. */
  get shownAt(): number {
    return this.#shownAt
  }

  /** How long it is still shown, ms. */
  get remainingMs(): number {
    return Math.max(0, this.#until - performance.now())
  }

  /** It has no connection that could be sent anything. */
  send(): void {}

  /** Shows `fields` for `ms`, instead of what was shown before. @throws {AccessError} `presence/too-big` */
  show(author: Author, fields: ShownFields, ms: number): void {
    this.#author = author
    this.#shownAt = Date.now()
    try {
      this.#tell(fields)
    } catch (error) {
      if (this.#until === 0) this.end()
      throw error
    }
    this.#fields = fields
    this.#until = performance.now() + ms
    this.#wait()
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Shows nothing any more. */
  end(): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
    this.#document.leave(this)
    this.#end()
  }

  #wait(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#beat(), Math.min(HEARTBEAT_MS, this.remainingMs)).unref()
  }

  #beat(): void {
    // Another instance shows the user there now.
    const isTakenOver = this.#document.presence.holderOf(this.#client) !== this
    if (isTakenOver || this.remainingMs === 0) {
      this.end()
      return
    }
    this.#tell(this.#fields)
    this.#wait()
  }

  #tell(fields: ShownFields): void {
    refuseTooDeep(fields)
    this.#clock += 1
    const entry = { client: this.#client, clock: this.#clock, state: JSON.stringify(fields) }
    this.#document.presence.receive(this, encodeEntries([entry]))
  }
}

/** The same on all instances, so that a user is shown once, whichever of them is asked. */
export function visitorId(document: string, user: string): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([document, user]))
    .digest()
  return FIRST_VISITOR + hash.readUIntBE(0, 6)
}
