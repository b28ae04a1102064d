import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Chat, CollaborativeDocument, DocumentState, Presence, Session, Status } from '../api.ts'
import type { Opened } from './held.ts'

interface DocumentFields {
  readonly status: Status
  /** Edits made here that the server has not acknowledged. */
  readonly unsaved: number
  /** This device keeps what is not saved yet, */
  readonly kept: boolean
  /** but for so many edits, which its storage has not committed. */
  readonly unkept: number
  readonly readOnly: DocumentState['readOnly']
  /** Who has it open. */
  readonly presence: readonly Presence[]
  /** How many more have, in a crowd. */
  readonly unseenPeople: number
}

/** There is something true to show. */
export interface ReadyDocument extends DocumentFields {
  readonly ready: true
  readonly document: CollaborativeDocument
  /** Another one after a refused change: a key for the editor that is bound to it. */
  readonly ydoc: Y.Doc
  readonly awareness: Awareness
  /** The chat beside it, which opens with its first use. */
  readonly chat: Chat
}

/** Nothing may be edited yet; at first there is no document either. */
export interface UnreadyDocument extends DocumentFields {
  readonly ready: false
  readonly document: CollaborativeDocument | undefined
  readonly ydoc: Y.Doc | undefined
  readonly awareness: Awareness | undefined
  readonly chat: Chat | undefined
}

export type DocumentView = ReadyDocument | UnreadyDocument

/** Of a document that is not open yet. */
export const unopenedDocument: UnreadyDocument = {
  ready: false,
  status: { kind: 'connecting' },
  unsaved: 0,
  kept: true,
  unkept: 0,
  readOnly: false,
  presence: [],
  unseenPeople: 0,
  document: undefined,
  ydoc: undefined,
  awareness: undefined,
  chat: undefined,
}

/** A document that is open, with the chat beside it, as one value. */
export class OpenDocument implements Opened<DocumentView> {
  readonly document: CollaborativeDocument
  readonly #chat: Chat
  #last: { readonly state: DocumentState; readonly view: DocumentView } | undefined

  /** @throws {CoweaveError} `document/bad-name` */
  constructor(session: Session, name: string) {
    this.document = session.document(name)
    this.#chat = session.chat(`chat/${name}`)
  }

  get(): DocumentView {
    const { document } = this
    const { ydoc } = document
    const [state, presence] = [document.state.get(), document.presence.get()]
    const last = this.#last
    if (last?.state === state && last.view.presence === presence && last.view.ydoc === ydoc) return last.view
    const { ready, status, unsaved, kept, unkept, readOnly, unseenPeople } = state
    const { awareness } = document
    const shared = { presence, document, ydoc, awareness, chat: this.#chat }
    const view = { ready, status, unsaved, kept, unkept, readOnly, unseenPeople, ...shared }
    this.#last = { state, view }
    return view
  }

  subscribe(listener: () => void): () => void {
    const { state, presence } = this.document
    const stops = [state.subscribe(listener), presence.subscribe(listener), this.document.onReplaced(listener)]
    return () => {
      for (const stop of stops) stop()
    }
  }

  release(): void {
    this.#chat.destroy()
    this.document.destroy()
  }
}
