import { WebSocket } from 'ws'
import type { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { Cable } from '../support/cable.ts'
import { openClient, openSocket } from '../support/clients.ts'
import type { Random } from '../support/random.ts'
import { type TestServer, tokenFor } from '../support/server.ts'

/** A stock client that is open. */
interface StockClient {
  readonly awareness: Awareness
  /** Ends its connection here, so that it makes another one. */
  terminate(): void
  destroy(): void
}

export type Dialect = 'hocuspocus' | 'y-websocket'

export interface PeerOptions {
  readonly servers: readonly TestServer[]
  readonly document: string
  readonly user: string
  readonly dialect: Dialect
  readonly random: Random
}

/** A device with a document open in a stock client, and everything that befalls devices. */
export class PresentPeer {
  readonly user: string
  readonly #options: PeerOptions
  /** The way of its connections; those of the past stay as they were left. */
  #cable: Cable | undefined
  readonly #abandoned: Cable[] = []
  #client: StockClient | undefined
  #isAsleep = false
  #wasThere = false

  constructor(options: PeerOptions) {
    this.user = options.user
    this.#options = options
  }

  /** What others should see of it: its Yjs client id, or undefined for nothing. */
  get shown(): number | undefined {
    return this.#isAsleep ? undefined : this.#client?.awareness.clientID
  }

  /** What it sees of others itself, if it is there. */
  get awareness(): Awareness | undefined {
    return this.#isAsleep ? undefined : this.#client?.awareness
  }

  get isThere(): boolean {
    return this.#client !== undefined
  }

  /** Whether it ever came. */
  get wasThere(): boolean {
    return this.#wasThere
  }

  get isAsleep(): boolean {
    return this.#isAsleep
  }

  async enter(): Promise<void> {
    this.#wasThere = true
    this.#isAsleep = false
    const { servers, random } = this.#options
    this.#cable = await Cable.to(random.pick(servers))
    this.#client = this.#open()
    this.#client.awareness.setLocalStateField('user', { name: this.user })
  }

  /** Closes its page: the server is told. */
  leave(): void {
    this.#client?.destroy()
    this.#client = undefined
    this.#isAsleep = false
    this.#abandon()
  }

  /** Its connection breaks without a word of WebSockets, and it doesn't come back. */
  crash(): void {
    this.#cable?.cut()
    this.leave()
  }

  /** The network is gone without anybody being told, and then the device. */
  vanish(): void {
    this.#cable?.stall()
    this.leave()
  }

  /** Comes back as another Yjs client, maybe on another server, before or after the old one is noticed to be gone. */
  async reload(): Promise<void> {
    const leave = this.#options.random.pick([() => this.leave(), () => this.crash(), () => this.vanish()])
    leave()
    await this.enter()
  }

  /** Changes networks: the old connection stays open at the server's end, and the same client comes on a new one. */
  async roam(): Promise<void> {
    const { servers, random } = this.#options
    this.#cable?.stall()
    this.#abandon()
    this.#cable = await Cable.to(random.pick(servers))
    this.#client?.terminate()
  }

  /** Neither reads nor sends nor answers pings, until it wakes. */
  sleep(): void {
    this.#isAsleep = true
    this.#cable?.stall()
  }

  wake(): void {
    this.#isAsleep = false
    this.#cable?.mend()
  }

  close(): void {
    this.leave()
    for (const cable of this.#abandoned) cable.close()
  }

  #abandon(): void {
    if (this.#cable !== undefined) this.#abandoned.push(this.#cable)
    this.#cable = undefined
  }

  #open(): StockClient {
    const { document, user, dialect } = this.#options
    const port = () => this.#cable?.port ?? 0
    const sockets = new Set<WebSocket>()
    class CableSocket extends WebSocket {
      constructor(address: string) {
        const url = new URL(address)
        url.port = String(port())
        super(url)
        this.on('error', () => {})
        this.on('close', () => sockets.delete(this))
        sockets.add(this)
      }
    }
    const terminate = () => {
      for (const socket of sockets) socket.terminate()
    }
    const address = { socketUrl: 'ws://127.0.0.1:1/collab' }
    if (dialect === 'y-websocket') return openStockYWebsocket(document, user, CableSocket, terminate)
    const socket = openSocket(address, CableSocket)
    const client = openClient(address, document, { user, socket })
    const { awareness } = client.provider
    if (awareness === null) throw new Error('the provider has no awareness')
    return {
      awareness,
      terminate,
      destroy() {
        client.destroy()
        socket.destroy()
        terminate()
      },
    }
  }
}

function openStockYWebsocket(
  document: string,
  user: string,
  Socket: new (address: string) => WebSocket,
  terminate: () => void,
): StockClient {
  const provider = new WebsocketProvider('ws://127.0.0.1:1/yjs', document, new Y.Doc(), {
    params: { token: tokenFor(user) },
    WebSocketPolyfill: Socket as unknown as typeof globalThis.WebSocket,
    disableBc: true,
  })
  return {
    awareness: provider.awareness,
    terminate,
    destroy() {
      provider.destroy()
      provider.doc.destroy()
      terminate()
    },
  }
}
