import type { Document } from '@hocuspocus/server'
import type { Logger } from 'pino'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import type { NewEvent } from '../../persistence/event-store.ts'
import type { NewUpdate } from '../../persistence/update-log.ts'
import { AccessError } from '../access/access-error.ts'
import type { Level } from '../access/grants.ts'
import { levelToChange } from '../access/levels.ts'
import { muted } from '../access/muted.ts'
import { type Address, type Frame, hocuspocusAddress } from '../connection/frames.ts'
import type { Archive } from '../rooms/archive.ts'
import type { AdmittedDirect } from '../rooms/direct-messages.ts'
import { type Applied, applyUpdate, encodeShown, InvalidUpdateError, NO_CHANGE } from './apply-update.ts'
import { Broadcasts } from './broadcasts.ts'
import { type ClientRange, checkUpdate, type DecodedUpdate } from './check-update.ts'
import { ClientIds, clientIdTaken } from './client-ids.ts'
import { Crowd } from './crowd.ts'
import { Cursor } from './cursor.ts'
import { DocumentSize } from './document-size.ts'
import type { Durability } from './durability.ts'
import { GAP, type Guard, RefusedError } from './guard.ts'
import { Presence } from './presence.ts'
import { RetiredClients } from './retired-clients.ts'
import type { SharedFrames } from './shared-frames.ts'
import { type Subscriber, Subscribers } from './subscribers.ts'
import { skipUnheardEvents } from './unheard-events.ts'
import { waitsInVain } from './waiting-structs.ts'
import { WholeAnswer } from './whole-answer.ts'

/** The author of what the server itself writes: no user has this id. */
export const SERVER = ''
/** The origin of what was committed before it was applied. */
export const COMMITTED = Symbol('committed')

/** A row of the log that this instance did not write, or has only now had confirmed. */
export interface CommittedUpdate {
  readonly position: number
  readonly author: string
  readonly data: Uint8Array
  /** The Yjs client ids that it was the first to use. */
  readonly clients: readonly number[]
}

export interface OpenDocumentOptions {
  readonly durability: Durability
  readonly logger: Logger
  readonly maxPresenceBytes: number
  /** Of how many Yjs clients presence is told. */
  readonly maxShown: number
  /** How long writing to so many sockets takes, as far as is known, ms. */
  readonly writingMs: (sockets: number) => number
  /** Of the encoded state. */
  readonly maxBytes: number
  /** Lets every user send edits of others' Yjs clients. */
  readonly relayedClientIds: boolean
  /** Whether an admin lets the user only read the document. */
  readonly isMuted?: (user: string, document: string) => boolean
  /** A client changed the document; the change is not committed yet. */
  readonly onClientChange?: (document: OpenDocument) => void
  /** Connections changed what these Yjs clients show. */
  readonly onPresence?: (document: OpenDocument, clients: readonly number[]) => void
  /** Other connections than before have the document open, or others show presence there, on any instance. */
  readonly onHereChanged?: (document: OpenDocument) => void
  /** A connection sent a direct message. */
  readonly onDirect?: (document: OpenDocument, message: AdmittedDirect) => void
  /** Another instance committed a change by `author`. */
  readonly onFollowed?: (document: OpenDocument, author: string) => void
}

/** The state vector of who has nothing. */
const NO_STATE = Uint8Array.of(0)

/** What a document was loaded from. */
export interface LoadedFrom {
  readonly position: number
  /** When the log was asked, on the clock of `performance`. */
  readonly at: number
  readonly bytes: number
  /** Yjs client id → the user it belongs to. */
  readonly owners: ReadonlyMap<number, string>
  /** As StoredDocument has them. */
  readonly epoch: number
  readonly retired: ReadonlySet<number>
  /** What was sent already to those who wait for it, all of it. */
  readonly answer?: { readonly address: Address; readonly frames: readonly SharedFrames[] } | undefined
}

/**
 * A document in memory: what arrives for it is applied, appended to the log and handed to everybody else who has
 * it open. It works on Hocuspocus' Document, in the place of Hocuspocus' own handling of updates and awareness.
 */
export class OpenDocument {
  readonly name: string
  readonly ydoc: Document
  /** What one needs to change it. */
  readonly levelToChange: Level
  /** What starts the messages of clients of the Hocuspocus dialect. */
  readonly address: Address
  readonly presence: Presence
  /** Whose presence is told. */
  readonly crowd: Crowd
  /** Up to where it has what the log has. */
  readonly cursor: Cursor
  /** Where the log has its content begin. */
  readonly epoch: number
  readonly #retired: RetiredClients
  readonly #clientIds: ClientIds
  readonly #size: DocumentSize
  readonly #guard: Guard | undefined
  readonly #archive: Archive | undefined
  readonly #options: OpenDocumentOptions
  readonly #subscribers = new Subscribers()
  readonly #broadcasts: Broadcasts
  readonly #whole: WholeAnswer
  /** How many updates wait for their commit. */
  #uncommitted = 0
  /** What has happened by the change that is being made. */
  #events: NewEvent[] | undefined

  /** `guard` keeps the document to its rules; free-form documents have none. `archive` is for those with messages. */
  constructor(
    ydoc: Document,
    { position, at, bytes, owners, epoch, retired, answer }: LoadedFrom,
    guard: Guard | undefined,
    archive: Archive | undefined,
    options: OpenDocumentOptions,
  ) {
    this.name = ydoc.name
    this.ydoc = ydoc
    skipUnheardEvents(ydoc)
    this.levelToChange = levelToChange(ydoc.name)
    this.address = answer?.address ?? hocuspocusAddress(ydoc.name)
    this.#whole = new WholeAnswer(this.address, answer && { position, frames: answer.frames })
    this.#options = options
    this.cursor = new Cursor(position, at)
    this.epoch = epoch
    this.#retired = new RetiredClients(retired)
    this.#clientIds = new ClientIds(owners)
    this.#size = new DocumentSize(ydoc, bytes, options.maxBytes)
    this.#guard = guard
    this.#archive = archive
    this.presence = new Presence(ydoc.awareness, this.#clientIds, options.maxPresenceBytes)
    this.#broadcasts = new Broadcasts({
      subscribers: this.#subscribers,
      appended: () => options.durability.appended,
      writingMs: options.writingMs,
      presenceOf: (clients) => this.crowd.encode(clients),
    })
    this.crowd = new Crowd(ydoc.awareness, {
      max: options.maxShown,
      onCount: (notice) => this.#subscribers.tellAll(notice),
    })
    ydoc.on('update', this.#recordServerChange)
    ydoc.once('destroy', () => {
      this.#broadcasts.close()
      this.crowd.close()
    })
  }

  /** The size of its encoded state, or more where that was not measured. */
  get bytes(): number {
    return this.#size.bytes
  }

  /** What is kept to be sent to those who have nothing of it. */
  get answerBytes(): number {
    return this.#whole.bytes
  }

  /** Whether an update of it waits for its commit, so that somebody may be waiting to be told of that. */
  get isWaiting(): boolean {
    return this.#uncommitted > 0
  }

  /** Where the log says what it says; undefined while it has changes that are not committed. */
  get position(): number | undefined {
    return this.#uncommitted > 0 || this.cursor.hasGap ? undefined : this.cursor.position
  }

  /** Whether an admin lets the user only read it. */
  isMuted(user: string): boolean {
    return this.#options.isMuted?.(user, this.name) ?? false
  }

  get subscribers(): ReadonlySet<Subscriber> {
    return this.#subscribers.all
  }

  join(subscriber: Subscriber): void {
    if (this.#subscribers.all.size === 0) this.#listenToPresence()
    this.#subscribers.add(subscriber)
    this.#options.onHereChanged?.(this)
  }

  leave(subscriber: Subscriber): void {
    if (!this.#subscribers.delete(subscriber)) return
    this.presence.leave(subscriber)
    this.#options.onHereChanged?.(this)
  }

  /**
   * The users who have it open, as far as can be known: those connected here, and those whom presence shows, which
   * other instances tell. Who shows no presence, as a stock client need not, is not seen on other instances.
   */
  get users(): ReadonlySet<string> {
    return new Set([...this.#subscribers.users(), ...this.presence.users])
  }

  /** A user is erased: their Yjs client ids can be used by nobody any more. */
  disown(user: string): void {
    this.#clientIds.disown(user)
  }

  /** Something happens by the change that the server is just making: it is stored with that change. */
  happened(event: NewEvent): void {
    this.#events ??= []
    this.#events.push(event)
  }

  /** Sends a direct message to its receiver's connections, on other instances too. */
  sendDirect(message: AdmittedDirect): void {
    this.deliver(message)
    this.#options.onDirect?.(this, message)
  }

  /** Hands a direct message to its receiver's connections to this instance. */
  deliver({ to, payload }: AdmittedDirect): void {
    this.#subscribers.tell(to, payload)
  }

  /** Hands a stateless message to all connections to this instance. */
  tellAll(payload: string): void {
    this.#subscribers.tellAll(payload)
  }

  /**
   * What a replica at `stateVector` lacks of what can be shown.
   * @throws {AccessError} `document/reset` for a replica of what was there before
   * @throws {Error} when the state vector can't be decoded
   */
  missingFrom(stateVector: Uint8Array): Uint8Array {
    this.#retired.refuseReplica(this.name, stateVector)
    return encodeShown(this.ydoc, stateVector)
  }

  /** The answer to a replica that has nothing. */
  wholeAnswer(address: Address): Frame[] {
    return this.#whole.framesFor(address, () => encodeShown(this.ydoc, NO_STATE))
  }

  /** What others were shown since a position of the log that it was loaded from; undefined for any other. */
  shownSince(position: number, address: Address): Frame[] | undefined {
    return this.#whole.framesSince(position, address)
  }

  stateVector(): Uint8Array {
    return Y.encodeStateVector(this.ydoc)
  }

  /** Whether `update` holds nothing new, so that it may come even from who must not write. */
  contains(update: Uint8Array): boolean {
    return Y.snapshotContainsUpdate(Y.snapshot(this.ydoc), update)
  }

  /**
   * Takes an update from `sender`: applies it, appends it to the log and broadcasts it. `isAnswer` tells that it
   * answers a sync step. Who is told of it waits for the commit (egress).
   * @throws {AccessError} `document/client-id-taken`, `document/malformed-update`, `document/too-big`,
   * `document/reset`, `access/muted`
   * @throws {RefusedError} when the rules of the document forbid it
   */
  receive(sender: Subscriber, update: Uint8Array, isAnswer: boolean): void {
    const { user } = sender.principal
    if (this.isMuted(user)) throw muted()
    const decoded = readUpdate(update)
    const { ranges } = decoded
    this.#retired.refuseUpdate(this.name, decoded)
    const claimed = this.#checkClientIds(sender, ranges)
    this.#size.admit(update, ranges)
    if (waitsInVain(this.ydoc, decoded)) throw new RefusedError(GAP, true)
    this.#guard?.admit(update, decoded, sender)
    // Yjs encodes a change anew for whoever listens to updates, which costs more than the change.
    this.ydoc.off('update', this.#recordServerChange)
    try {
      const applied = applyUpdate(this.ydoc, update, sender, isAnswer || this.#repeats(ranges))
      if (applied === undefined) return
      this.#clientIds.claim(claimed, user)
      this.#record(applied, user, claimed, sender)
    } catch (error) {
      if (!(error instanceof InvalidUpdateError)) throw error
      // What Yjs took before it failed is in memory: then it belongs into the log as well.
      if (error.applied !== undefined) this.#record(error.applied, user, [], undefined)
      throw malformed(error)
    } finally {
      this.ydoc.on('update', this.#recordServerChange)
    }
    this.#broadcasts.presence(undefined, this.crowd.edited(ranges.keys()))
    this.#options.onClientChange?.(this)
  }

  /**
   * Takes a row of the log that another instance committed. Nobody judges it again. Rows come in the order of their
   * positions, but for those that this instance wrote itself.
   * @throws {InvalidUpdateError} when it can't be applied: then the document must be forgotten
   */
  follow(row: CommittedUpdate): void {
    if (this.cursor.has(row.position)) return
    this.takeCommitted(row)
    this.#options.onFollowed?.(this, row.author)
  }

  /** Takes what this instance held back until it was committed. @throws {InvalidUpdateError} */
  takeCommitted({ position, author, clients, data }: CommittedUpdate): void {
    if (this.cursor.has(position)) return
    // What is archived here at the same time may lack what the row changed.
    const isLate = this.cursor.hasGap || this.#uncommitted > 0
    this.cursor.pass(position)
    this.#clientIds.claim(clients, author)
    this.#size.grow(data.length)
    this.ydoc.off('update', this.#recordServerChange)
    this.#archive?.watch(isLate)
    let applied: Applied | undefined
    try {
      applied = applyUpdate(this.ydoc, data, COMMITTED, false)
      this.#guard?.mirror(data)
    } finally {
      this.#archive?.watch(true)
      this.ydoc.on('update', this.#recordServerChange)
    }
    const isStored = !this.#archiveAnew()
    // As it came it reveals nothing else.
    if (applied?.shown !== undefined) this.#show(undefined, applied.shown, isStored && applied.shown === data)
  }

  /** Stores messages as they are now, where what the archive has of them is older. Returns whether there are any. */
  #archiveAnew(): boolean {
    const messages = this.#archive?.take() ?? []
    if (messages.length === 0) return false
    this.#append({ document: this.name, at: Date.now(), author: SERVER, data: NO_CHANGE, clients: [], messages })
    return true
  }

  /**
   * Whether an update holds structs that the document has. The document leaves them out, but whoever doesn't have the
   * originals yet, a reader of the log or a client that is still syncing, would take these, whatever is in them.
   */
  #repeats(ranges: ReadonlyMap<number, ClientRange>): boolean {
    for (const [client, { start }] of ranges) if (start < Y.getState(this.ydoc.store, client)) return true
    return false
  }

  #checkClientIds({ principal }: Subscriber, ranges: ReadonlyMap<number, ClientRange>): number[] {
    if (this.#guard === undefined && (principal.relay || this.#options.relayedClientIds)) return []
    const unclaimed = this.#clientIds.check(this.ydoc, ranges, principal.user)
    for (const client of unclaimed) {
      const holder = this.presence.holderOf(client)
      if (holder !== undefined && holder.principal.user !== principal.user) throw clientIdTaken(client)
    }
    return unclaimed
  }

  #record(
    { stored, shown }: Applied,
    author: string,
    clients: readonly number[],
    sender: Subscriber | undefined,
  ): void {
    this.#size.grow(stored.length)
    const messages = this.#archive?.take() ?? []
    const events = this.#events
    this.#events = undefined
    this.#append({ document: this.name, at: Date.now(), author, data: stored, clients, messages, events })
    if (shown !== undefined) this.#show(sender, shown, false)
  }

  #append(update: NewUpdate): void {
    this.#uncommitted += 1
    this.#options.durability.append({ ...update, epoch: this.epoch }, this.#settled)
  }

  readonly #settled = (position: number | undefined): void => {
    this.#uncommitted -= 1
    if (position) this.cursor.pass(position)
  }

  #show(sender: Subscriber | undefined, update: Uint8Array, isCommitted: boolean): void {
    this.#whole.add(update)
    this.#broadcasts.update(sender, update, isCommitted)
  }

  /**
   * Changes made by the server itself, through any API of Yjs or Hocuspocus, are logged and broadcast all the same.
   * The server's client id is claimed for nobody, so that no client writes with it.
   */
  readonly #recordServerChange = (update: Uint8Array): void => {
    const { clientID } = this.ydoc
    const claimed = this.#clientIds.ownerOf(clientID) === undefined ? [clientID] : []
    this.#clientIds.claim(claimed, SERVER)
    this.#guard?.mirror(update)
    this.#record({ stored: update, shown: update }, SERVER, claimed, undefined)
  }

  #listenToPresence(): void {
    // Hocuspocus attaches a listener of its own once a document is loaded, which lists all states at each change.
    this.ydoc.awareness._observers.delete('update')
    this.presence.listen({
      onChange: (clients, holder) => {
        this.#broadcasts.presence(holder, this.crowd.changed(clients))
        this.#options.onHereChanged?.(this)
      },
      onOwnChange: (clients) => this.#options.onPresence?.(this, clients),
    })
  }
}

function readUpdate(update: Uint8Array): DecodedUpdate {
  try {
    return checkUpdate(update)
  } catch (cause) {
    throw malformed(cause)
  }
}

function malformed(cause: unknown): AccessError {
  return new AccessError('document/malformed-update', CloseCode.Malformed, 'the update can not be applied', { cause })
}
