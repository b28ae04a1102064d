import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import {
  type DirectDelivery,
  type DirectRefusal,
  type DirectRequest,
  decodeDirectDelivery,
  decodeDirectRefusal,
  encodeDirectRequest,
} from '../../model/direct.ts'
import { decodeRefusal, type RefusalNotice, UNDERSTANDS_REFUSALS } from '../../model/refusals.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import type { Closed, FrameSocket } from './frame-socket.ts'
import { openFrameSocket, readMessage, statelessMessage, syncMessage } from './messages.ts'

export interface ChatPeerOptions {
  readonly user?: string
  readonly token?: string
  readonly ydoc?: Y.Doc
  readonly understandsRefusals?: boolean
}

/**
 * One document open on a socket of its own, for tests that say themselves what is sent: `ydoc` takes what the server
 * sends, and nothing leaves but what send() and answer() are given.
 */
export class ChatPeer {
  readonly ydoc: Y.Doc
  readonly refusals: RefusalNotice[] = []
  readonly directs: DirectDelivery[] = []
  readonly notSent: DirectRefusal[] = []
  /** What the server said to each update that was sent, oldest first: whether it is stored. */
  readonly statuses: boolean[] = []
  readonly #socket: FrameSocket
  readonly #name: string
  #read = 0
  #answers = 0

  static async open(
    server: { readonly port: number },
    name: string,
    { ydoc = new Y.Doc(), understandsRefusals = false, ...options }: ChatPeerOptions,
  ): Promise<ChatPeer> {
    const peer = new ChatPeer(await openFrameSocket(server, name, options), name, ydoc)
    if (understandsRefusals) peer.#socket.send(statelessMessage(name, UNDERSTANDS_REFUSALS))
    await peer.until(() => peer.#answers > 0)
    return peer
  }

  private constructor(socket: FrameSocket, name: string, ydoc: Y.Doc) {
    this.#socket = socket
    this.#name = name
    this.ydoc = ydoc
  }

  /** Resolves with the server's code and reason. */
  get closed(): Promise<Closed> {
    return this.#socket.closed
  }

  send(update: Uint8Array): void {
    this.#socket.send(syncMessage(this.#name, SyncType.Update, update))
  }

  /** Sends an update as the answer to a sync step. */
  answer(update: Uint8Array): void {
    this.#socket.send(syncMessage(this.#name, SyncType.Step2, update))
  }

  sendDirect(request: DirectRequest): void {
    this.sendStateless(encodeDirectRequest(request))
  }

  sendStateless(message: string): void {
    this.#socket.send(statelessMessage(this.#name, message))
  }

  /** Does `edit` in `ydoc` and sends each update it makes. */
  edit(edit: (ydoc: Y.Doc) => void): void {
    const send = (update: Uint8Array) => this.send(update)
    this.ydoc.on('update', send)
    edit(this.ydoc)
    this.ydoc.off('update', send)
  }

  /** Resolves once `condition` holds, looked at after each message of the server. Rejects when the socket closes. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      this.#receive(await this.#next())
    }
  }

  /** Resolves once `count` updates have been answered in all. */
  answered(count: number): Promise<void> {
    return this.until(() => this.statuses.length >= count)
  }

  /** Resolves once everything has arrived that the server had sent before this call, and all that it has. */
  async sync(): Promise<void> {
    const expected = this.#answers + 1
    this.#socket.send(syncMessage(this.#name, SyncType.Step1, Y.encodeStateVector(this.ydoc)))
    await this.until(() => this.#answers === expected)
  }

  /** Ends the connection without a close frame. */
  destroy(): void {
    this.#socket.destroy()
  }

  async #next(): Promise<Uint8Array> {
    let index = -1
    const message = await this.#socket.message(() => {
      index += 1
      return index === this.#read
    })
    this.#read += 1
    return message
  }

  #receive(message: Uint8Array): void {
    if (message.length === 1) return // a ping of Hocuspocus
    const { type, decoder } = readMessage(message)
    if (type === MessageType.SyncStatus) this.statuses.push(decoding.readVarUint(decoder) === 1)
    else if (type === MessageType.Stateless) {
      const message = decoding.readVarString(decoder)
      const notice = decodeRefusal(message)
      const direct = decodeDirectDelivery(message)
      const notSent = decodeDirectRefusal(message)
      if (notice !== undefined) this.refusals.push(notice)
      if (direct !== undefined) this.directs.push(direct)
      if (notSent !== undefined) this.notSent.push(notSent)
    } else if (type === MessageType.Sync) {
      const syncType = decoding.readVarUint(decoder)
      if (syncType === SyncType.Step1) return
      Y.applyUpdate(this.ydoc, decoding.readVarUint8Array(decoder), this)
      if (syncType === SyncType.Step2) this.#answers += 1
    }
  }
}
