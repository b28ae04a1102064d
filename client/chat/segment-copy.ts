import * as Y from 'yjs'
import { type ChatMessage, messagesOf } from '../../model/chat.ts'
import type { CollaborativeDocument, RefusedChange, Stop } from '../api.ts'
import { followDocument, isOnline } from './document-follower.ts'

export interface SegmentEvents {
  onChange(): void
  /** A change was refused and is being taken back; `messages` are those that were here with it. */
  onRefused(messages: readonly ChatMessage[], change: RefusedChange): void
}

/** One open part of a room: its document, and its messages as plain values, read again only when they change. */
export class SegmentCopy {
  readonly number: number
  readonly document: CollaborativeDocument
  readonly #stop: Stop
  #ydoc: Y.Doc
  #plain = new WeakMap<Y.Map<unknown>, ChatMessage>()
  /** The stored messages from before a change was taken back, shown until the server's are here again. */
  #meanwhile: readonly ChatMessage[] | undefined
  #awaitsDoc = false

  constructor(number: number, document: CollaborativeDocument, { onChange, onRefused }: SegmentEvents) {
    this.number = number
    this.document = document
    this.#ydoc = document.ydoc
    this.#stop = followDocument(document, {
      onChange: () => {
        if (!this.#awaitsDoc && isOnline(document)) this.#meanwhile = undefined
        onChange()
      },
      onDoc: (ydoc) => this.#read(ydoc),
      onRefused: (change) => {
        const messages = messagesOf(change.before).map(plainOf)
        this.#meanwhile = messages.filter(({ seq }) => seq !== undefined)
        this.#awaitsDoc = true
        onRefused(messages, change)
      },
    })
  }

  get isReady(): boolean {
    return this.document.state.get().ready
  }

  /** What is written here arrives. */
  get isOnline(): boolean {
    return isOnline(this.document) && !this.isReplacing
  }

  /** A change was taken back and the server's content isn't here again yet: nothing may be written. */
  get isReplacing(): boolean {
    return this.#meanwhile !== undefined
  }

  messages(): readonly ChatMessage[] {
    if (this.#meanwhile !== undefined) return this.#meanwhile
    return messagesOf(this.#ydoc).map((message) => {
      const known = this.#plain.get(message)
      if (known !== undefined) return known
      const plain = plainOf(message)
      this.#plain.set(message, plain)
      return plain
    })
  }

  find(id: string): Y.Map<unknown> | undefined {
    if (this.isReplacing) return undefined
    return messagesOf(this.#ydoc)
      .toArray()
      .find((message) => message.get('id') === id)
  }

  close(): void {
    this.#stop()
    this.document.destroy()
  }

  #read(ydoc: Y.Doc): Stop {
    this.#ydoc = ydoc
    this.#awaitsDoc = false
    this.#plain = new WeakMap()
    const messages = messagesOf(ydoc)
    const forget = (events: Y.YEvent<Y.AbstractType<unknown>>[]) => {
      for (const { target } of events) {
        for (let type: unknown = target; type instanceof Y.Map; type = type.parent) this.#plain.delete(type)
      }
    }
    messages.observeDeep(forget)
    return () => messages.unobserveDeep(forget)
  }
}

/** The room's rules keep to the shape of model/chat.ts, and a copy written here does too. */
function plainOf(message: Y.Map<unknown>): ChatMessage {
  return message.toJSON() as ChatMessage
}
