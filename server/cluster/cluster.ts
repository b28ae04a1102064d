import { setTimeout as delay } from 'node:timers/promises'
import type { Extension } from '@hocuspocus/server'
import type { Logger } from 'pino'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import type { RecheckScope } from '../access/decisions.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import type { AdmittedDirect } from '../rooms/direct-messages.ts'
import { tracedNow } from '../tracing/spans.ts'
import { Follower, type FollowerCounts } from './follower.ts'
import type { Relay, RelayMessage } from './relay.ts'

/** Presence that changes within this time is one message. */
const PRESENCE_WINDOW_MS = 50
/** How long other instances may take to tell who is present. */
const PRESENCE_ANSWER_MS = 250
/** What is for all instances. No document has an empty name. */
const EVERYBODY = ''

export interface ClusterOptions {
  readonly log: UpdateLog
  readonly logger: Logger
  /** Undefined where there is no Redis: then documents follow the log alone. */
  readonly relay: Relay | undefined
  /** A document that can't follow: it must be forgotten. */
  readonly onBroken: (open: OpenDocument) => void
  /** Another instance has deleted a document that is open here. */
  readonly onDeleted: (open: OpenDocument) => void
  /** Another instance has reset a document that is open here. */
  readonly onReset: (open: OpenDocument) => void
  /** Another instance was told that users may do something else than before. */
  readonly onRecheck: (scope: RecheckScope) => void
}

/**
 * This instance among others that share its log: tells them what it committed and who is present, and keeps its open
 * documents at what they have committed.
 */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #follower: Follower
  readonly #open = new Map<string, OpenDocument>()
  /** Whose presence changed since it was last told. */
  readonly #present = new Map<OpenDocument, Set<number>>()
  #presenceTimer: NodeJS.Timeout | undefined
  /** Documents of which other instances are being asked who is present. */
  readonly #asked = new Map<OpenDocument, Promise<void>>()

  constructor(options: ClusterOptions) {
    this.#options = options
    const { log, logger, relay, onBroken, onDeleted, onReset, onRecheck } = options
    this.#follower = new Follower({ log, logger, onBroken, onDeleted, onReset })
    void relay?.subscribe(EVERYBODY, (message) => {
      if (message.kind !== 'recheck') return
      onRecheck({ user: message.user || undefined, document: message.document || undefined })
    })
  }

  get counts(): FollowerCounts {
    return this.#follower.counts
  }

  /** What Hocuspocus' own messages to all clients of a document need to reach them, here and at other instances. */
  readonly extension: Extension = {
    extensionName: 'cluster',
    beforeBroadcastStateless: async ({ documentName, payload }) => {
      this.#open.get(documentName)?.tellAll(payload)
      this.#options.relay?.publish(documentName, { kind: 'stateless', payload })
    },
  }

  opened(open: OpenDocument): void {
    this.#open.set(open.name, open)
    this.#follower.opened(open)
    const { relay } = this.#options
    if (relay === undefined) return
    this.#asked.set(
      open,
      delay(PRESENCE_ANSWER_MS, undefined, { ref: false }).then(() => void this.#asked.delete(open)),
    )
    void relay
      .subscribe(open.name, (message) => this.#receive(open, message))
      .then(() => {
        // What was committed between its loading and now was told to nobody here.
        this.#follower.checkSoon([open])
        relay.publish(open.name, { kind: 'presence-query' })
      })
  }

  closed(open: OpenDocument): void {
    this.#follower.closed(open)
    this.#present.delete(open)
    if (this.#open.get(open.name) !== open) return
    this.#open.delete(open.name)
    this.#options.relay?.unsubscribe(open.name)
  }

  /** A batch is in the log: one message for each document in it. */
  committed(batch: readonly NewUpdate[], positions: readonly number[]): void {
    const { relay } = this.#options
    if (relay?.isUp !== true) return
    const runs = new Map<string, { first: number; rows: NewUpdate[] }>()
    for (const [index, update] of batch.entries()) {
      const position = positions[index] ?? 0
      if (position === 0) continue
      const run = runs.get(update.document)
      if (run === undefined) runs.set(update.document, { first: position, rows: [update] })
      else run.rows.push(update)
    }
    tracedNow('publish to other instances', { 'coweave.documents': runs.size }, () => {
      for (const [document, { first, rows }] of runs) relay.publish(document, { kind: 'updates', first, rows })
    })
  }

  /** Connections of this instance changed what these Yjs clients show. */
  presenceChanged(open: OpenDocument, clients: readonly number[]): void {
    if (this.#options.relay === undefined) return
    const changed = this.#present.get(open) ?? new Set()
    this.#present.set(open, changed)
    for (const client of clients) changed.add(client)
    this.#presenceTimer ??= setTimeout(() => this.#tellPresence(), PRESENCE_WINDOW_MS).unref()
  }

  /** Tells others at once what changed. */
  tellPresence(): void {
    clearTimeout(this.#presenceTimer)
    this.#tellPresence()
  }

  /** Resolves once those of other instances are known who were present when the document was opened. */
  async presenceKnown(open: OpenDocument): Promise<void> {
    await this.#asked.get(open)
  }

  /** A client of this instance sent a direct message through a document. */
  directSent(open: OpenDocument, { to, payload }: AdmittedDirect): void {
    this.#options.relay?.publish(open.name, { kind: 'direct', to, payload })
  }

  /** Documents were deleted or reset here: whoever has one open elsewhere looks into the log. */
  lookAgain(names: Iterable<string>): void {
    for (const name of names) this.#options.relay?.publish(name, { kind: 'deleted' })
  }

  /** Users may do something else than before, as their product says. */
  recheck({ user = '', document = '' }: RecheckScope): void {
    this.#options.relay?.publish(EVERYBODY, { kind: 'recheck', user, document })
  }

  /** Redis is there again: what was missed is asked for, and what others missed is told. */
  reconnected(): void {
    this.#follower.checkAllSoon()
    for (const open of this.#open.values()) {
      this.#publishPresence(open, open.presence.own())
      this.#options.relay?.publish(open.name, { kind: 'presence-query' })
    }
  }

  /** Resolves once a document has what others have committed until now. @throws {StorageError} */
  catchUp(open: OpenDocument): Promise<void> {
    return this.#follower.catchUp(open)
  }

  async close(): Promise<void> {
    clearTimeout(this.#presenceTimer)
    this.#tellPresence()
    this.#follower.close()
    await this.#options.relay?.close()
  }

  #tellPresence(): void {
    this.#presenceTimer = undefined
    for (const [open, clients] of this.#present) this.#publishPresence(open, open.presence.of(clients))
    this.#present.clear()
  }

  #publishPresence(open: OpenDocument, update: Uint8Array | undefined): void {
    if (update !== undefined) this.#options.relay?.publish(open.name, { kind: 'presence', update })
  }

  #receive(open: OpenDocument, message: RelayMessage): void {
    switch (message.kind) {
      case 'updates': {
        const { first, rows } = message
        this.#follower.receive(
          open,
          rows.map((row, index) => ({ ...row, position: first + index })),
        )
        return
      }
      case 'stored':
        if (open.cursor.position < message.last) this.#follower.checkSoon([open])
        return
      case 'deleted':
        this.#follower.checkSoon([open])
        return
      case 'presence':
        open.presence.receiveRelayed(message.update)
        return
      case 'presence-query':
        this.#publishPresence(open, open.presence.own())
        return
      case 'stateless':
        open.tellAll(message.payload)
        return
      case 'direct':
        open.deliver(message)
        return
      case 'recheck':
      // It comes on a topic of its own.
    }
  }
}
