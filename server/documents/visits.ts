import type { Document } from '@hocuspocus/server'
import type { Anchor } from '../../model/chat.ts'
import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { Kick } from '../../persistence/admin-store.ts'
import { goesWith } from '../../persistence/beside.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { Access } from '../access/access.ts'
import { AccessError } from '../access/access-error.ts'
import type { Principal } from '../access/grants.ts'
import { TokenBucket } from '../connection/token-bucket.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Documents } from './documents.ts'
import type { Author } from './guard.ts'
import type { OpenDocument } from './open-document.ts'
import { type ShownFields, Visit, visitorId } from './visit.ts'

const BURST_S = 60
/** How long somebody is shown who has just written. */
const WRITING_MS = 10_000
/** How often it is looked whether who is shown may still be there. */
const LOOK_MS = 1_000
const NO_FIELDS: ShownFields = {}

export interface VisitsOptions {
  readonly documents: Documents
  readonly rooms: Rooms
  readonly access: Access
  /** Whether an admin has revoked the token since it was verified. */
  readonly isRevoked: (principal: Principal) => boolean
  readonly changesPerSecond: number
  /** Of one user. */
  readonly maxVisits: number
  /** Resolves once those of other instances are known who are present. */
  readonly presenceKnown: (document: OpenDocument) => Promise<void>
  /** Tells other instances at once what presence changed. */
  readonly tellPresence: () => void
}

/** What one user does, as long as they are shown anywhere. */
interface Visitor {
  readonly rate: TokenBucket
  /** By document. One that is just beginning is a promise too. */
  readonly visits: Map<string, Promise<Visit>>
}

/**
 * Presence of those who have no connection, such as agents that read and write over HTTP: as long as they may read the
 * document.
 */
export class Visits {
  readonly #options: VisitsOptions
  readonly #visitors = new Map<string, Visitor>()
  /** With the names of their documents. */
  readonly #open = new Map<Visit, string>()
  #looks: NodeJS.Timeout | undefined

  constructor(options: VisitsOptions) {
    this.#options = options
  }

  /**
   * Shows `author` in a document for `ms`, or until their token ends, instead of what was shown of them before.
   * @throws {AccessError} `presence/too-many`, `presence/too-big`
   * @throws {CoweaveError} when the document can't be opened
   */
  async show(name: string, author: Author, fields: ShownFields, ms: number): Promise<void> {
    const { expires = Number.POSITIVE_INFINITY } = author.principal
    let visit = await this.#visit(name, author)
    // Its time was up in this moment.
    while (visit.hasEnded) visit = await this.#visit(name, author)
    visit.show(author, fields, Math.min(ms, expires - Date.now()))
  }

  /**
   * An agent has written: shows it for a moment, with its caret there. What else it shows stays, and stays longer if it
   * was to.
   */
  async wrote(name: string, author: Author, at: Anchor | undefined): Promise<void> {
    if (!author.principal.agent) return
    try {
      const visit = await this.#visitors.get(author.principal.user)?.visits.get(name)
      const fields = { ...visit?.fields, ...(at === undefined ? {} : { cursor: cursorAt(at) }) }
      await this.show(name, author, fields, Math.max(WRITING_MS, visit?.remainingMs ?? 0))
    } catch (error) {
      // What was written is stored: that it can't be shown now, or too often, is no failure of that.
      if (!(error instanceof CoweaveError)) throw error
    }
  }

  /** Hides a user who was shown so, on whatever instance that was. */
  async end(name: string, author: Author): Promise<void> {
    const { user } = author.principal
    const visit = await this.#visitors.get(user)?.visits.get(name)
    visit?.end()
    await this.#withDocument(name, async (open) => {
      await this.#options.presenceKnown(open)
      if (!open.presence.shows(visitorId(name, user))) return
      // Another instance shows them. It lets go once this one does, and this one then stops.
      const successor = new Visit(open, author)
      successor.show(author, NO_FIELDS, 0)
      this.#options.tellPresence()
      successor.end()
      this.#options.tellPresence()
    })
  }

  /** What all who are present in a document show, on all instances. */
  async present(name: string): Promise<readonly ShownFields[]> {
    return await this.#withDocument(name, async (open) => {
      await this.#options.presenceKnown(open)
      return [...open.presence.states]
    })
  }

  /** As SocketConnection.kicked(): hides a user who is shown by this instance. */
  kicked({ user, document, at }: Kick): void {
    for (const [visit, name] of this.#open) {
      if (visit.principal.user !== user || visit.shownAt > at) continue
      if (document === '' || goesWith(document, name)) visit.end()
    }
  }

  /** Hides all who are shown by this instance. */
  close(): void {
    clearInterval(this.#looks)
    for (const visit of this.#open.keys()) visit.end()
  }

  #opened(visit: Visit, name: string): void {
    this.#open.set(visit, name)
    this.#looks ??= setInterval(() => {
      for (const [shown, document] of this.#open) void this.#look(shown, document)
    }, LOOK_MS).unref()
  }

  #closed(visit: Visit): void {
    this.#open.delete(visit)
    if (this.#open.size > 0) return
    clearInterval(this.#looks)
    this.#looks = undefined
  }

  async #look(visit: Visit, name: string): Promise<void> {
    const { access, isRevoked } = this.#options
    const { principal } = visit
    try {
      const mayStay = !isRevoked(principal) && (await access.levelIn(name, principal)) !== undefined
      // A newer token was checked by itself.
      if (!mayStay && visit.principal === principal) visit.end()
    } catch {
      // It was logged where it was asked, and is no refusal: it is asked again, and the visit ends by its time at last.
    }
  }

  async #visit(name: string, author: Author): Promise<Visit> {
    const { user } = author.principal
    const { changesPerSecond, maxVisits } = this.#options
    const visitor = this.#visitors.get(user) ?? {
      rate: new TokenBucket(changesPerSecond, changesPerSecond * BURST_S),
      visits: new Map(),
    }
    visitor.rate.take(1)
    if (visitor.rate.waitMs() > 0) throw tooMany('presence changes too often')
    const known = visitor.visits.get(name)
    if (known !== undefined) return await known
    if (visitor.visits.size >= maxVisits) throw tooMany(`a user is shown in at most ${maxVisits} documents`)
    this.#visitors.set(user, visitor)
    const { promise, resolve, reject } = Promise.withResolvers<Visit>()
    visitor.visits.set(name, promise)
    const left = () => {
      visitor.visits.delete(name)
      if (visitor.visits.size === 0) this.#visitors.delete(user)
    }
    // The document stays open as long as the user is shown there.
    const visiting = this.#withDocument(name, async (open) => {
      const visit = new Visit(open, author)
      this.#opened(visit, name)
      resolve(visit)
      await visit.ended
      this.#closed(visit)
      left()
    })
    visiting.catch((error: unknown) => {
      left()
      reject(error)
    })
    return await promise
  }

  #withDocument<T>(name: string, use: (open: OpenDocument) => Promise<T>): Promise<T> {
    const { rooms, documents } = this.#options
    return rooms.withDocument(name, (document: Document) => {
      const open = documents.get(document)
      if (open === undefined) throw new StorageError('storage/unavailable', 'the document is being loaded anew')
      return use(open)
    })
  }
}

/** Where editors' bindings for Yjs look for a caret. */
export function cursorAt({ start, end = start }: Anchor): ShownFields {
  return { anchor: start, head: end }
}

function tooMany(message: string): AccessError {
  return new AccessError('presence/too-many', CloseCode.TooMany, message)
}
