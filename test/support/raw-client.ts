import { once } from 'node:events'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { type RawData, WebSocket } from 'ws'
import * as Y from 'yjs'
import { AuthType, MessageType, SyncType } from '../../server/connection/frames.ts'
import { type TestServer, tokenFor } from './server.ts'

export interface RawClientOptions {
  readonly user?: string
  readonly ydoc?: Y.Doc
  /** Called with the number of each message that was acknowledged: 1, 2, 3 … in the order of sending. */
  readonly onAcknowledged?: (number: number) => void
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

/**
 * A client that speaks the Hocuspocus protocol and nothing more: it never reconnects, never sends anything again, and
 * tells for each message whether it was acknowledged. For tests of what the server promised to whom; where the
 * behaviour of real clients counts, use openClient().
 */
export class RawClient {
  readonly ydoc: Y.Doc
  /** Resolves once the socket is closed, with the server's code; everything that arrived has been handled then. */
  readonly closed: Promise<Closed>
  /** How many updates were sent, and how many of them the server acknowledged. */
  sent = 0
  acknowledged = 0
  readonly #name: string
  readonly #ws: WebSocket
  readonly #onAcknowledged: ((number: number) => void) | undefined
  readonly #synced = Promise.withResolvers<void>()

  /** Resolves once the client has the whole document. Rejects with the server's reason when it is refused. */
  static async open(
    server: Pick<TestServer, 'socketUrl'>,
    name: string,
    options: RawClientOptions = {},
  ): Promise<RawClient> {
    const ws = new WebSocket(server.socketUrl)
    await once(ws, 'open')
    const client = new RawClient(ws, name, options)
    client.#send((encoder) => {
      encoding.writeVarUint(encoder, MessageType.Auth)
      encoding.writeVarUint(encoder, AuthType.Token)
      encoding.writeVarString(encoder, tokenFor(options.user ?? 'ann'))
    })
    client.#sendSync(SyncType.Step1, Y.encodeStateVector(client.ydoc))
    await client.#synced.promise
    return client
  }

  private constructor(ws: WebSocket, name: string, { ydoc = new Y.Doc(), onAcknowledged }: RawClientOptions) {
    this.#ws = ws
    this.#name = name
    this.ydoc = ydoc
    this.#onAcknowledged = onAcknowledged
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.ydoc.off('update', this.#onUpdate)
        this.#synced.reject(new Error(`closed with ${code} ${reason}`))
        resolve({ code, reason: reason.toString() })
      })
    })
    this.#synced.promise.catch(() => {}) // open() passes it on; later it has no listener
    ws.on('error', () => {}) // its close event follows
    ws.on('message', (data: RawData) => this.#receive(new Uint8Array(data as Buffer)))
    ydoc.on('update', this.#onUpdate)
  }

  /** Resolves once everything sent so far is acknowledged; rejects when the socket closes before. */
  async saved(): Promise<void> {
    const target = this.sent
    while (this.acknowledged < target) {
      const closed = await Promise.race([this.closed, once(this.#ws, 'message')])
      if ('code' in closed && this.acknowledged < target) throw new Error(`closed with ${closed.code}`)
    }
  }

  /** Closes the socket and resolves once it is closed. */
  async close(): Promise<void> {
    this.#ws.close()
    await this.closed
  }

  /** Sends an update, whatever `ydoc` holds. Its own changes are sent by themselves. */
  send(update: Uint8Array): void {
    this.sent += 1
    this.#sendSync(SyncType.Update, update)
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== this) this.send(update)
  }

  #receive(data: Uint8Array): void {
    if (data.length === 1) return // a ping of Hocuspocus
    const decoder = decoding.createDecoder(data)
    decoding.readVarString(decoder)
    switch (decoding.readVarUint(decoder)) {
      case MessageType.Auth:
        if (decoding.readVarUint(decoder) === AuthType.PermissionDenied) {
          this.#synced.reject(new Error(`denied: ${decoding.readVarString(decoder)}`))
        }
        return
      case MessageType.Sync:
        this.#receiveSync(decoding.readVarUint(decoder), decoding.readVarUint8Array(decoder))
        return
      case MessageType.SyncStatus:
        if (decoding.readVarUint(decoder) !== 1) throw new Error('the server did not take an update')
        this.acknowledged += 1
        this.#onAcknowledged?.(this.acknowledged)
        return
      default: // presence and the like
    }
  }

  #receiveSync(type: number, payload: Uint8Array): void {
    if (type === SyncType.Step1) {
      const missing = Y.encodeStateAsUpdate(this.ydoc, payload)
      if (this.ydoc.store.clients.size === 0 && this.ydoc.store.pendingStructs === null) return
      this.sent += 1
      this.#sendSync(SyncType.Step2, missing)
    } else {
      Y.applyUpdate(this.ydoc, payload, this)
      if (type === SyncType.Step2) this.#synced.resolve()
    }
  }

  #sendSync(type: number, payload: Uint8Array): void {
    this.#send((encoder) => {
      encoding.writeVarUint(encoder, MessageType.Sync)
      encoding.writeVarUint(encoder, type)
      encoding.writeVarUint8Array(encoder, payload)
    })
  }

  #send(write: (encoder: encoding.Encoder) => void): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return
    const encoder = encoding.createEncoder()
    encoding.writeVarString(encoder, this.#name)
    write(encoder)
    this.#ws.send(encoding.toUint8Array(encoder))
  }
}
