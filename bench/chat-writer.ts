import type * as Y from 'yjs'
import { openSegmentOf, sendMessage } from '../model/chat.ts'
import { segmentName } from '../model/rooms.ts'
import { type ChatDocument, ChatSocket } from './chat-socket.ts'

/** As many as the server takes into one segment by default. */
export const PER_SEGMENT = 500

/** Where a writer finds its documents. */
export interface Place {
  /** The document of the nth part of its messages. */
  segment(number: number): string
  /** The room's head, which tells when the next part is open; undefined where nobody keeps rules. */
  readonly head: string | undefined
}

export function guardedRoom(name: string): Place {
  return { segment: (number) => segmentName(`chat/${name}`, number), head: `chat/${name}` }
}

export function unguardedDocuments(name: string): Place {
  return { segment: (number) => `${name}/${number}`, head: undefined }
}

/** Writes chat messages and keeps `window` of them ahead of their acknowledgements; in segments, as clients do. */
export class ChatWriter {
  acknowledged = 0
  readonly #socket: ChatSocket
  readonly #place: Place
  readonly #window: number
  #head: ChatDocument | undefined
  #segment: Y.Doc | undefined
  #number = 1
  #sent = 0
  #outstanding = 0
  #writing = false
  #scheduled = false
  #idle = () => {}

  static async open(server: { url: string; token: string }, place: Place, window: number): Promise<ChatWriter> {
    const writer = new ChatWriter(await ChatSocket.connect(server), place, window)
    await writer.#openHead()
    await writer.#openSegment()
    return writer
  }

  private constructor(socket: ChatSocket, place: Place, window: number) {
    this.#socket = socket
    this.#place = place
    this.#window = window
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
    this.#socket.close()
  }

  async #openHead(): Promise<void> {
    if (this.#place.head === undefined) return
    this.#head = this.#socket.open(this.#place.head)
    await this.#head.synced
  }

  async #openSegment(): Promise<void> {
    const opened = this.#socket.open(this.#place.segment(this.#number), () => this.#acknowledge())
    await opened.synced
    this.#sent = 0
    this.#segment = opened.ydoc
  }

  #acknowledge(): void {
    // Stock acknowledges the answer to its own first sync message as well, before anything was written.
    if (this.#outstanding === 0) return
    this.acknowledged += 1
    this.#outstanding -= 1
    if (this.#outstanding === 0 && !this.#writing) this.#idle()
    if (this.#outstanding === 0 && this.#sent === PER_SEGMENT) void this.#goOn()
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#fill()
    })
  }

  async #goOn(): Promise<void> {
    this.#segment = undefined
    this.#socket.leave(this.#place.segment(this.#number))
    this.#number += 1
    await this.#nextIsOpen()
    await this.#openSegment()
    this.#fill()
  }

  #nextIsOpen(): Promise<void> {
    const head = this.#head?.ydoc
    return new Promise((resolve) => {
      const check = () => {
        if (head !== undefined && (openSegmentOf(head) ?? 0) < this.#number) return
        head?.off('update', check)
        resolve()
      }
      head?.on('update', check)
      check()
    })
  }

  #fill(): void {
    const segment = this.#segment
    if (segment === undefined) return
    this.#socket.together(() => {
      while (this.#writing && this.#outstanding < this.#window && this.#sent < PER_SEGMENT) {
        this.#outstanding += 1
        this.#sent += 1
        sendMessage(segment, 'bench', { text: 'how about tomorrow at nine?' })
      }
    })
  }
}
