import * as Y from 'yjs'
import { type ChatMessage, messagesOf } from '../../../model/chat.ts'
import type { DocumentKind, DocumentSession } from '../collaboration/document-session.ts'

export const segmentDocument: DocumentKind = {
  hasContent: (doc) => messagesOf(doc).length > 0,
  showsPeople: false,
  isRoom: true,
}

/** One open part of a room: its document, and its messages as plain values, read again only when they change. */
export class SegmentCopy {
  readonly document: DocumentSession
  /** What is shown until the document has something to show: what was known before it was opened anew. */
  readonly #meanwhile: readonly ChatMessage[]
  readonly #plain = new WeakMap<Y.Map<unknown>, ChatMessage>()

  constructor(document: DocumentSession, meanwhile: readonly ChatMessage[] = []) {
    this.document = document
    this.#meanwhile = meanwhile
    messagesOf(document.doc).observeDeep((events) => {
      for (const { target } of events) {
        for (let type: unknown = target; type instanceof Y.Map; type = type.parent) this.#plain.delete(type)
      }
    })
  }

  get isReady(): boolean {
    return this.document.view.get().ready
  }

  messages(): readonly ChatMessage[] {
    if (!this.isReady) return this.#meanwhile
    return messagesOf(this.document.doc).map((message) => {
      const known = this.#plain.get(message)
      if (known !== undefined) return known
      // The room's rules keep to the shape (model/chat.ts); a copy written by this page does too.
      const plain = message.toJSON() as ChatMessage
      this.#plain.set(message, plain)
      return plain
    })
  }

  find(id: string): Y.Map<unknown> | undefined {
    return messagesOf(this.document.doc)
      .toArray()
      .find((message) => message.get('id') === id)
  }
}
