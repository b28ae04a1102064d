import type * as Y from 'yjs'
import { RawClient } from '../support/raw-client.ts'
import { replayFromLog } from '../support/replay.ts'
import type { TestServer } from '../support/server.ts'

export interface LoadOptions {
  readonly documents: readonly string[]
  readonly writersPerDocument: number
  /** How many updates each writer has on the way at once. */
  readonly window: number
  /** Starts each entry, so that no two loads write the same. */
  readonly label: string
  /** Yjs client ids count up from here. */
  readonly firstClientId: number
}

/** What a load's clients know of one document. */
interface Known {
  readonly acknowledged: Set<string>
  readonly seen: Set<string>
}

/**
 * Writers that add entries, each with a name of its own, as fast as the server acknowledges them, and in each
 * document one reader: together they know what was acknowledged and what was shown to somebody else. Nobody
 * reconnects or sends again, so whatever the server has lost stays lost.
 */
export class Load {
  readonly clients: RawClient[] = []
  readonly #known = new Map<string, Known>()
  readonly #waiting = new Set<{ count: number; resolve: () => void }>()
  #acknowledged = 0

  static async start(server: TestServer, options: LoadOptions): Promise<Load> {
    const load = new Load()
    let clientId = options.firstClientId
    for (const document of options.documents) {
      const known: Known = { acknowledged: new Set(), seen: new Set() }
      load.#known.set(document, known)
      await load.#addReader(server, document, known)
      for (let index = 0; index < options.writersPerDocument; index++) {
        await load.#addWriter(server, document, known, clientId++, options)
      }
    }
    return load
  }

  /** How many updates were acknowledged, all documents together. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  get seen(): number {
    return [...this.#known.values()].reduce((sum, { seen }) => sum + seen.size, 0)
  }

  whenAcknowledged(count: number): Promise<void> {
    if (this.#acknowledged >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.add({ count, resolve }))
  }

  /**
   * Resolves with the close codes once every socket is closed: what the server had sent before counts. The clients are let
   * go, since hundreds of loads hold a document that grows through all of them.
   */
  async ended(): Promise<number[]> {
    const closed = await Promise.all(this.clients.map((client) => client.closed))
    this.clients.length = 0
    return closed.map(({ code }) => code)
  }

  /** What a client that never held anything misses on `server`. */
  async lossesOn(server: TestServer): Promise<Losses> {
    const losses = new Losses()
    for (const [document, known] of this.#known) {
      const fresh = await RawClient.open(server, document, { user: 'fresh' })
      losses.compare(known, entriesOf(fresh.ydoc))
      await fresh.close()
    }
    return losses
  }

  /** What is missing in the log that a server has left in its folder, or at a URL. */
  async lossesInLog(place: string): Promise<Losses> {
    const losses = new Losses()
    const documents = await replayFromLog(place, [...this.#known.keys()])
    for (const [document, known] of this.#known) {
      const ydoc = documents[document]
      if (ydoc !== undefined) losses.compare(known, entriesOf(ydoc))
    }
    return losses
  }

  async #addReader(server: TestServer, document: string, { seen }: Known): Promise<void> {
    const reader = await RawClient.open(server, document, { user: 'reader' })
    this.clients.push(reader)
    const entries = entriesOf(reader.ydoc)
    entries.observe((event) => {
      for (const key of event.keysChanged) seen.add(key)
    })
  }

  async #addWriter(server: TestServer, document: string, known: Known, clientId: number, options: LoadOptions) {
    const keys: string[] = []
    const write = () => {
      const key = `${options.label}.${clientId}.${keys.length + 1}`
      keys[client.sent] = key // the message that the next line sends
      entries.set(key, keys.length)
    }
    const client = await RawClient.open(server, document, {
      user: `writer-${clientId}`,
      onAcknowledged: (number) => {
        const key = keys[number - 1]
        if (key === undefined) return // its answer to the first sync step
        known.acknowledged.add(key)
        this.#count()
        write()
      },
    })
    client.ydoc.clientID = clientId
    const entries = entriesOf(client.ydoc)
    this.clients.push(client)
    for (let index = 0; index < options.window; index++) write()
  }

  #count(): void {
    this.#acknowledged += 1
    for (const waiting of this.#waiting) {
      if (this.#acknowledged < waiting.count) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }
}

/** How many entries are gone, of those that somebody was told about. */
export class Losses {
  acknowledged = 0
  seen = 0

  compare(known: Known, entries: Y.Map<unknown>): void {
    for (const key of known.acknowledged) if (!entries.has(key)) this.acknowledged += 1
    for (const key of known.seen) if (!entries.has(key)) this.seen += 1
  }

  get counts(): { acknowledged: number; seen: number } {
    return { acknowledged: this.acknowledged, seen: this.seen }
  }
}

function entriesOf(ydoc: Y.Doc): Y.Map<unknown> {
  return ydoc.getMap('entries')
}
