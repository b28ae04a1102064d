import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { messagesOf } from '../model/chat.ts'

const Type = { Sync: 0, Auth: 2, SyncReply: 4, SyncStatus: 8 }

/** A document open on a ChatSocket. */
export interface ChatDocument {
  readonly ydoc: Y.Doc
  readonly messages: Y.Array<Y.Map<unknown>>
  /** Resolves once the server has sent the document. */
  readonly synced: Promise<void>
}

interface Entry {
  readonly ydoc: Y.Doc
  readonly onSynced: () => void
  readonly onAcknowledged: () => void
}

/** A socket with documents open, speaking the Hocuspocus protocol by itself: it costs less than a stock client. */
export class ChatSocket {
  readonly #ws: WebSocket
  readonly #token: string
  readonly #entries = new Map<string, Entry>()
  #socket: Socket | undefined

  static async connect({ url, token }: { url: string; token: string }): Promise<ChatSocket> {
    const socket = new ChatSocket(url, token)
    await once(socket.#ws, 'open')
    return socket
  }

  private constructor(url: string, token: string) {
    this.#token = token
    const { hostname, port } = new URL(url)
    this.#ws = new WebSocket(url, {
      createConnection: () => {
        this.#socket = connect(Number(port), hostname)
        return this.#socket
      },
    })
    this.#ws.on('message', (data: Buffer) => this.#receive(data))
    this.#ws.on('close', (code, reason) => {
      if (code !== 1006) throw new Error(`the server closed with ${code} ${reason}`)
    })
  }

  get bytesRead(): number {
    return this.#socket?.bytesRead ?? 0
  }

  open(name: string, onAcknowledged: () => void = () => {}): ChatDocument {
    const ydoc = new Y.Doc()
    const synced = Promise.withResolvers<void>()
    this.#entries.set(name, { ydoc, onSynced: () => synced.resolve(), onAcknowledged })
    ydoc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== this) this.#sendSync(name, 2, update)
    })
    this.#send(name, (encoder) => {
      encoding.writeVarUint(encoder, Type.Auth)
      encoding.writeVarUint(encoder, 0)
      encoding.writeVarString(encoder, this.#token)
    })
    this.#sendSync(name, 0, Uint8Array.of(0))
    return { ydoc, messages: messagesOf(ydoc), synced: synced.promise }
  }

  /** Leaves a document: what arrives for it from now on is not looked at. */
  leave(name: string): void {
    this.#entries.delete(name)
    this.#send(name, (encoder) => {
      encoding.writeVarUint(encoder, 7)
      encoding.writeVarString(encoder, '')
    })
  }

  /** Everything `write` sends goes out as one write. */
  together(write: () => void): void {
    this.#socket?.cork()
    write()
    this.#socket?.uncork()
  }

  close(): void {
    this.#ws.terminate()
  }

  #receive(data: Buffer): void {
    const decoder = decoding.createDecoder(data)
    const entry = this.#entries.get(decoding.readVarString(decoder))
    if (entry === undefined) return
    const type = decoding.readVarUint(decoder)
    if (type === Type.SyncStatus) {
      if (decoding.readVarUint(decoder) !== 1) throw new Error('an update was not taken')
      entry.onAcknowledged()
      return
    }
    if (type !== Type.Sync && type !== Type.SyncReply) return
    const syncType = decoding.readVarUint(decoder)
    if (syncType === 0) return
    Y.applyUpdate(entry.ydoc, decoding.readVarUint8Array(decoder), this)
    if (syncType === 1) entry.onSynced()
  }

  #sendSync(name: string, syncType: number, payload: Uint8Array): void {
    this.#send(name, (encoder) => {
      encoding.writeVarUint(encoder, Type.Sync)
      encoding.writeVarUint(encoder, syncType)
      encoding.writeVarUint8Array(encoder, payload)
    })
  }

  #send(name: string, write: (encoder: encoding.Encoder) => void): void {
    this.#ws.send(
      encoding.encode((encoder) => {
        encoding.writeVarString(encoder, name)
        write(encoder)
      }),
    )
  }
}
