import * as decoding from 'lib0/decoding'
import { type RawData, WebSocket } from 'ws'
import { afterFact, type Fact, initialSaveState, isSaved, type SaveState } from '../../client/save-state.ts'
import { MessageType, SyncType } from '../../server/connection/frames.ts'
import { readMessage } from '../support/messages.ts'

/**
 * What of each document the server has acknowledged, from the frames on a stock client's sockets: its own
 * `unsyncedChanges` begins at 1 with each connection, and so is 0 too early when edits were waiting for it.
 */
export class Acknowledgements {
  /** For a HocuspocusProviderWebsocket. */
  readonly Socket: new (
    url: string,
  ) => unknown
  readonly #saves = new Map<string, SaveState>()
  readonly #onChange: (document: string, acknowledged: number) => void

  /** `onChange` is called with how many edits, the oldest first, the server has of a document. */
  constructor(onChange: (document: string, acknowledged: number) => void) {
    this.#onChange = onChange
    const watch = (socket: WebSocket) => this.#watch(socket)
    this.Socket = class extends WebSocket {
      constructor(url: string) {
        super(url)
        watch(this)
      }
    }
  }

  /** To be called for each edit, before it is sent. */
  edited(document: string): void {
    this.#note(document, { type: 'edited' })
  }

  isSaved(document: string): boolean {
    return isSaved(this.#of(document))
  }

  #watch(socket: WebSocket): void {
    const send = socket.send.bind(socket)
    socket.send = (data: Uint8Array) => {
      this.#sent(data)
      send(data)
    }
    socket.on('message', (data: RawData) => this.#received(new Uint8Array(data as Buffer)))
    socket.on('error', () => {}) // its close event follows
    socket.on('close', () => {
      for (const document of this.#saves.keys()) this.#note(document, { type: 'disconnected' })
    })
  }

  #sent(data: Uint8Array): void {
    const { name, type, decoder } = readMessage(data)
    if (name === null || (type !== MessageType.Sync && type !== MessageType.SyncReply)) return
    const syncType = decoding.readVarUint(decoder)
    if (syncType === SyncType.Step2) this.#note(name, { type: 'sent', frame: 'full' })
    if (syncType === SyncType.Update) this.#note(name, { type: 'sent', frame: 'update' })
  }

  #received(data: Uint8Array): void {
    if (data.length === 1) return // a ping of Hocuspocus
    const { name, type, decoder } = readMessage(data)
    if (name === null || type !== MessageType.SyncStatus) return
    this.#note(name, { type: 'answered', applied: decoding.readVarInt(decoder) === 1 })
    this.#onChange(name, this.#of(name).acknowledged)
  }

  #note(document: string, fact: Fact): void {
    this.#saves.set(document, afterFact(this.#of(document), fact))
  }

  #of(document: string): SaveState {
    return this.#saves.get(document) ?? initialSaveState
  }
}
