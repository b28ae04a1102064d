import type { HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import type { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import type { CollaborativeDocument, Session } from '../../client/index.ts'
import { mayRetryUnchanged } from '../../model/close-codes.ts'
import { editAtRandom } from '../client/tokens.ts'
import type { Cable } from '../support/cable.ts'
import { openSession } from '../support/client-session.ts'
import { type Client, openClient, openSocket, openYWebsocket } from '../support/clients.ts'
import type { Random } from '../support/random.ts'
import { Acknowledgements } from './acknowledgements.ts'
import type { Entry, Ledger } from './ledger.ts'

export interface ReplicaOptions {
  /** Also the user's. */
  readonly name: string
  readonly way: Cable
  readonly documents: readonly string[]
  readonly ledger: Ledger
  /** Yjs client ids count up from here. */
  readonly firstClientId: number
}

/** A client that comes back by itself, and brings what it wrote meanwhile. */
export interface Replica {
  readonly name: string
  readonly documents: readonly string[]
  /** What went wrong that never should, such as a refusal. */
  readonly problems: readonly string[]
  ydoc(document: string): Y.Doc
  /** One random edit, if there is something to edit yet. */
  edit(random: Random): void
  /** Why not everything of it is with the server, as far as it knows; undefined once it is. */
  unsettled(): string | undefined
  close(): void
}

abstract class OpenReplica implements Replica {
  readonly name: string
  readonly documents: readonly string[]
  readonly problems: string[] = []
  protected readonly ledger: Ledger
  /** What it wrote, and the server has not acknowledged, oldest first; and how much it has. */
  readonly #written = new Map<string, { pending: Entry[]; acknowledged: number }>()

  constructor({ name, documents, ledger }: ReplicaOptions) {
    this.name = name
    this.documents = documents
    this.ledger = ledger
  }

  abstract ydoc(document: string): Y.Doc
  abstract unsettled(): string | undefined
  abstract close(): void

  edit(random: Random): void {
    const document = random.pick(this.documents)
    if (!this.isReady(document)) return
    const edit = editAtRandom(this.ydoc(document), random, this.ledger.tokens.create())
    this.#writtenIn(document).pending.push(this.ledger.write(edit, document, this.name))
  }

  protected isReady(_document: string): boolean {
    return true
  }

  /** The server said that it has all that was written here, or the first `count` edits of it. */
  protected acknowledged(document: string, count = Number.POSITIVE_INFINITY): void {
    const written = this.#writtenIn(document)
    const news = written.pending.splice(0, Math.max(0, count - written.acknowledged))
    written.acknowledged += news.length
    for (const entry of news) entry.isAcknowledged = true
  }

  protected newDocuments(firstClientId: number): Map<string, Y.Doc> {
    return new Map(
      this.documents.map((document, index) => {
        const ydoc = new Y.Doc()
        ydoc.clientID = firstClientId + index
        this.ledger.watch(ydoc, this.name)
        return [document, ydoc]
      }),
    )
  }

  #writtenIn(document: string): { pending: Entry[]; acknowledged: number } {
    const written = this.#written.get(document) ?? { pending: [], acknowledged: 0 }
    this.#written.set(document, written)
    return written
  }

  protected closedWith(code: number, reason: string): void {
    if (!mayRetryUnchanged(code)) this.problems.push(`${this.name} was closed with ${code} ${reason}`)
  }
}

/** A stock Hocuspocus provider, with all its documents on one socket. */
export class StockReplica extends OpenReplica {
  readonly #acknowledgements = new Acknowledgements((...news) => this.acknowledged(...news))
  readonly #socket: HocuspocusProviderWebsocket
  readonly #clients: ReadonlyMap<string, Client>

  constructor(options: ReplicaOptions) {
    super(options)
    const { name, way, firstClientId } = options
    this.#socket = openSocket(way, this.#acknowledgements.Socket)
    this.#socket.on('close', ({ event }: { event: { code: number; reason: string } }) =>
      this.closedWith(event.code, event.reason),
    )
    const documents = [...this.newDocuments(firstClientId)]
    this.#clients = new Map(documents.map(([document, ydoc]) => [document, this.#open(way, name, document, ydoc)]))
  }

  ydoc(document: string): Y.Doc {
    return found(this.#clients, document).ydoc
  }

  unsettled(): string | undefined {
    for (const [document, { provider }] of this.#clients) {
      const { synced, unsyncedChanges } = provider
      const isSaved = this.#acknowledgements.isSaved(document)
      if (synced && unsyncedChanges === 0 && isSaved) continue
      const said = `synced ${synced}, ${unsyncedChanges} unsynced changes, socket ${this.#socket.status}`
      return `${document}: ${said}; all acknowledged: ${isSaved}`
    }
    return undefined
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy()
    this.#socket.destroy()
  }

  #open(way: Cable, user: string, document: string, ydoc: Y.Doc): Client {
    // Before the provider hears of it, and sends it.
    ydoc.on('update', (...[, , , { local }]: [Uint8Array, unknown, Y.Doc, Y.Transaction]) => {
      if (local) this.#acknowledgements.edited(document)
    })
    const client = openClient(way, document, { user, ydoc, socket: this.#socket })
    client.provider.on('authenticationFailed', ({ reason }: { reason: string }) =>
      this.problems.push(`${user} was refused ${document}: ${reason}`),
    )
    return client
  }
}

/** A stock y-websocket provider for each document. It is never told that anything is stored. */
export class YWebsocketReplica extends OpenReplica {
  readonly #providers: ReadonlyMap<string, WebsocketProvider>

  constructor(options: ReplicaOptions) {
    super(options)
    const { name, way, firstClientId } = options
    const documents = [...this.newDocuments(firstClientId)]
    this.#providers = new Map(
      documents.map(([document, ydoc]) => {
        const provider = openYWebsocket(way, document, name, ydoc)
        provider.on('closed', ({ code, reason }) => this.closedWith(code, reason))
        return [document, provider]
      }),
    )
  }

  ydoc(document: string): Y.Doc {
    return found(this.#providers, document).doc
  }

  unsettled(): string | undefined {
    const [document] = [...this.#providers].find(([, { synced }]) => !synced) ?? []
    return document && `${document}: not synced`
  }

  close(): void {
    for (const provider of this.#providers.values()) provider.destroy()
  }
}

/** Our own client, which chooses its Yjs client ids itself. */
export class OwnReplica extends OpenReplica {
  readonly session: Session
  readonly #documents: ReadonlyMap<string, CollaborativeDocument>

  constructor(options: ReplicaOptions) {
    super(options)
    const { name, way, documents } = options
    this.session = openSession(way, { as: name, user: name, keepLocally: false })
    this.#documents = new Map(documents.map((document) => [document, this.#open(document)]))
  }

  ydoc(document: string): Y.Doc {
    return found(this.#documents, document).ydoc
  }

  unsettled(): string | undefined {
    const states = [...this.#documents].map(([document, { state }]) => ({ document, ...state.get() }))
    const open = states.find(({ synced, unsaved }) => !synced || unsaved > 0)
    return open && `${open.document}: synced ${open.synced}, ${open.unsaved} unsaved, ${JSON.stringify(open.status)}`
  }

  close(): void {
    this.session.close()
  }

  protected override isReady(document: string): boolean {
    return found(this.#documents, document).state.get().ready
  }

  #open(name: string): CollaborativeDocument {
    const document = this.session.document(name)
    this.ledger.watch(document.ydoc, this.name)
    document.onReplaced((ydoc) => this.ledger.watch(ydoc, this.name))
    document.onRefused(({ rule, reason }) => this.problems.push(`${this.name}, ${name}: refused by ${rule}: ${reason}`))
    document.state.subscribe(() => {
      const { synced, unsaved, status } = document.state.get()
      if (synced && unsaved === 0) this.acknowledged(name)
      if (status.kind === 'refused') {
        this.problems.push(`${this.name} was refused ${name}: ${status.refusal.reason} ${status.refusal.message}`)
      }
    })
    return document
  }
}

function found<T>(map: ReadonlyMap<string, T>, document: string): T {
  const value = map.get(document)
  if (value === undefined) throw new Error(`${document} is not open`)
  return value
}
