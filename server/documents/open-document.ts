import type { Document } from '@hocuspocus/server'
import type { Logger } from 'pino'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { Principal } from '../access/grants.ts'
import {
  type Address,
  awarenessFrame,
  type Frame,
  hocuspocusAddress,
  SyncType,
  syncFrame,
} from '../connection/frames.ts'
import { type Applied, applyUpdate, encodeShown, InvalidUpdateError } from './apply-update.ts'
import { checkUpdate } from './check-update.ts'
import { ClientIds, clientIdTaken } from './client-ids.ts'
import type { Durability } from './durability.ts'
import { Presence } from './presence.ts'

/** Who listens to a document: one connection's channel. */
export interface Subscriber {
  readonly principal: Principal
  /** The same object for all who get the same bytes. */
  readonly address: Address
  send(frame: Frame): void
}

export interface OpenDocumentOptions {
  readonly durability: Durability
  readonly logger: Logger
  readonly maxPresenceBytes: number
  /** Lets every user send edits of others' Yjs clients. */
  readonly relayedClientIds: boolean
}

/**
 * A document in memory: what arrives for it is applied, appended to the log and handed to everybody else who has
 * it open. It works on Hocuspocus' Document, in the place of Hocuspocus' own handling of updates and awareness.
 */
export class OpenDocument {
  readonly name: string
  readonly ydoc: Document
  /** What starts the messages of clients of the Hocuspocus dialect. */
  readonly address: Address
  readonly presence: Presence
  readonly #clientIds: ClientIds
  readonly #options: OpenDocumentOptions
  readonly #subscribers = new Set<Subscriber>()

  constructor(ydoc: Document, owners: ReadonlyMap<number, string>, options: OpenDocumentOptions) {
    this.name = ydoc.name
    this.ydoc = ydoc
    this.address = hocuspocusAddress(ydoc.name)
    this.#options = options
    this.#clientIds = new ClientIds(owners)
    this.presence = new Presence(ydoc.awareness, this.#clientIds, options.maxPresenceBytes)
    ydoc.on('update', this.#recordServerChange)
  }

  get subscribers(): ReadonlySet<Subscriber> {
    return this.#subscribers
  }

  join(subscriber: Subscriber): void {
    if (this.#subscribers.size === 0) this.#listenToPresence()
    this.#subscribers.add(subscriber)
  }

  leave(subscriber: Subscriber): void {
    if (!this.#subscribers.delete(subscriber)) return
    this.presence.leave(subscriber)
  }

  /** What a replica at `stateVector` lacks of what can be shown. @throws {Error} when the state vector can't be decoded */
  missingFrom(stateVector: Uint8Array): Uint8Array {
    return encodeShown(this.ydoc, stateVector)
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
   * @throws {AccessError} `document/client-id-taken`, `document/malformed-update`
   */
  receive(sender: Subscriber, update: Uint8Array, isAnswer: boolean): void {
    const { user } = sender.principal
    const claimed = this.#checkClientIds(sender, readUpdate(update))
    // Yjs encodes a change anew for whoever listens to updates, which costs more than the change.
    this.ydoc.off('update', this.#recordServerChange)
    try {
      const applied = applyUpdate(this.ydoc, update, sender, isAnswer)
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
  }

  #checkClientIds({ principal }: Subscriber, ends: ReadonlyMap<number, number>): number[] {
    if (principal.relay || this.#options.relayedClientIds) return []
    const unclaimed = this.#clientIds.check(this.ydoc, ends, principal.user)
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
    this.#options.durability.append({ document: this.name, at: Date.now(), author, data: stored, clients })
    if (shown !== undefined) this.#broadcast(sender, (address) => syncFrame(address, SyncType.Update, shown))
  }

  /** One frame for all subscribers that share an address; nobody hears of their own change. */
  #broadcast(sender: unknown, frameFor: (address: Address) => Frame): void {
    const frames = new Map<Address, Frame>()
    for (const subscriber of this.#subscribers) {
      if (subscriber === sender) continue
      let frame = frames.get(subscriber.address)
      if (frame === undefined) {
        frame = frameFor(subscriber.address)
        frames.set(subscriber.address, frame)
      }
      subscriber.send(frame)
    }
  }

  /** Changes made by the server itself, through any API of Yjs or Hocuspocus, are logged and broadcast all the same. */
  readonly #recordServerChange = (update: Uint8Array): void =>
    this.#record({ stored: update, shown: update }, '', [], undefined)

  #listenToPresence(): void {
    // Hocuspocus attaches a listener of its own once a document is loaded, which lists all states at each change.
    this.ydoc.awareness._observers.delete('update')
    this.presence.onChange((update, holder) => {
      this.#broadcast(holder, (address) => awarenessFrame(address, update))
    })
  }
}

function readUpdate(update: Uint8Array): Map<number, number> {
  try {
    return checkUpdate(update)
  } catch (cause) {
    throw malformed(cause)
  }
}

function malformed(cause: unknown): AccessError {
  return new AccessError('document/malformed-update', CloseCode.Malformed, 'the update can not be applied', { cause })
}
