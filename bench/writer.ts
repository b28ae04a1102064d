import { connect, type Socket } from 'node:net'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { WebSocket } from 'ws'
import * as Y from 'yjs'

const Type = { Sync: 0, Auth: 2, SyncReply: 4, SyncStatus: 8 }

/**
 * One writer of one document: types at its end and keeps `window` updates ahead of their acknowledgements. It
 * speaks the Hocuspocus protocol by itself, so that the clients cost less than the servers they measure.
 */
export class Writer {
  acknowledged = 0
  readonly #name: string
  readonly #window: number
  readonly #ws: WebSocket
  readonly #address: Uint8Array
  readonly #text: Y.Text
  readonly #token: string
  #socket: Socket | undefined
  #outstanding = 0
  #writing = false
  #scheduled = false
  #synced = () => {}
  #idle = () => {}

  constructor(url: string, name: string, token: string, window: number) {
    this.#name = name
    this.#token = token
    this.#window = window
    this.#address = encoding.encode((encoder) => encoding.writeVarString(encoder, name))
    const ydoc = new Y.Doc()
    this.#text = ydoc.getText('text')
    ydoc.on('update', (update: Uint8Array) => this.#send(Type.Sync, 2, update))
    const { hostname, port } = new URL(url)
    this.#ws = new WebSocket(url, {
      createConnection: () => {
        this.#socket = connect(Number(port), hostname)
        return this.#socket
      },
    })
    this.#ws.on('message', (data: Buffer) => this.#receive(data))
    this.#ws.on('error', () => {}) // the server is gone: what is missed shows in what was acknowledged
  }

  get name(): string {
    return this.#name
  }

  get length(): number {
    return this.#text.length
  }

  connected(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ws.readyState === this.#ws.OPEN) resolve()
      else this.#ws.on('open', () => resolve())
    })
  }

  /** Authenticates and asks for the document. */
  open(): void {
    const authentication = this.#message((encoder) => {
      encoding.writeVarUint(encoder, Type.Auth)
      encoding.writeVarUint(encoder, 0)
      encoding.writeVarString(encoder, this.#token)
    })
    this.#ws.send(authentication)
    this.#send(Type.Sync, 0, Uint8Array.of(0))
  }

  /** Resolves once the server has sent the document. */
  synced(): Promise<void> {
    return new Promise((resolve) => {
      this.#synced = resolve
    })
  }

  start(): void {
    this.#writing = true
    this.#fill()
  }

  /** Stops writing; resolves once all is acknowledged. */
  stop(): Promise<void> {
    this.#writing = false
    return new Promise((resolve) => {
      this.#idle = resolve
      if (this.#outstanding === 0) resolve()
    })
  }

  close(): void {
    this.#ws.terminate()
  }

  #receive(data: Buffer): void {
    const decoder = decoding.createDecoder(data)
    decoding.readVarString(decoder)
    const type = decoding.readVarUint(decoder)
    if (type === Type.SyncStatus) this.#acknowledge()
    else if ((type === Type.Sync || type === Type.SyncReply) && decoding.readVarUint(decoder) === 1) this.#synced()
  }

  #acknowledge(): void {
    // Stock acknowledges the answer to its own first sync message as well, before anything was written.
    if (this.#outstanding === 0) return
    this.acknowledged += 1
    this.#outstanding -= 1
    if (this.#outstanding === 0 && !this.#writing) this.#idle()
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#fill()
    })
  }

  #fill(): void {
    this.#socket?.cork()
    while (this.#writing && this.#outstanding < this.#window) {
      this.#outstanding += 1
      this.#text.insert(this.#text.length, 'a')
    }
    this.#socket?.uncork()
  }

  #send(type: number, syncType: number, payload: Uint8Array): void {
    this.#ws.send(
      this.#message((encoder) => {
        encoding.writeVarUint(encoder, type)
        encoding.writeVarUint(encoder, syncType)
        encoding.writeVarUint8Array(encoder, payload)
      }),
    )
  }

  #message(write: (encoder: encoding.Encoder) => void): Uint8Array {
    return encoding.encode((encoder) => {
      encoding.writeUint8Array(encoder, this.#address)
      write(encoder)
    })
  }
}
