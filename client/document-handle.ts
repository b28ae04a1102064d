import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { CollaborativeDocument, DocumentState, Presence, Readable, RefusedChange, Status, Stop } from './api.ts'
import type { SharedDocument } from './document.ts'

/** What a handle may do that its document can't by itself. */
export interface HandleActions {
  /** Tries the document again, with a new token. */
  retry(): void
  /** Gives the handle back. */
  release(): void
}

/** One use of a document. What is subscribed through it ends with it. */
export class DocumentHandle implements CollaborativeDocument {
  readonly name: string
  readonly state: Readable<DocumentState>
  readonly presence: Readable<readonly Presence[]>
  readonly #document: SharedDocument
  readonly #actions: HandleActions
  readonly #stops = new Set<Stop>()
  #isDestroyed = false

  constructor(document: SharedDocument, actions: HandleActions) {
    this.name = document.name
    this.#document = document
    this.#actions = actions
    this.state = this.#own(document.state)
    this.presence = this.#own(document.presence)
  }

  get ydoc(): Y.Doc {
    return this.#document.ydoc
  }

  get awareness(): Awareness {
    return this.#document.awareness
  }

  get status(): Status {
    return this.state.get().status
  }

  get unsaved(): number {
    return this.state.get().unsaved
  }

  get whenSynced(): Promise<void> {
    return this.#document.whenSynced
  }

  get whenReady(): Promise<void> {
    return this.#document.whenReady
  }

  whenSaved(): Promise<void> {
    return this.#document.whenSaved()
  }

  setPresence(fields: Readonly<Record<string, unknown>>): void {
    this.#document.setPresence(fields)
  }

  sendStateless(message: string): boolean {
    return this.#document.sendStateless(message)
  }

  onStateless(listener: (message: string) => void): Stop {
    return this.#keep(this.#document.onStateless((message) => listener(message)))
  }

  onRefused(listener: (change: RefusedChange) => void): Stop {
    return this.#keep(this.#document.onRefused((change) => listener(change)))
  }

  onReplaced(listener: (ydoc: Y.Doc) => void): Stop {
    return this.#keep(this.#document.onReplaced((ydoc) => listener(ydoc)))
  }

  retry(): void {
    this.#actions.retry()
  }

  discardCopy(): Promise<void> {
    return this.#document.discardCopy()
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    for (const stop of [...this.#stops]) stop()
    this.#actions.release()
  }

  #own<T>(readable: Readable<T>): Readable<T> {
    return { get: readable.get, subscribe: (listener) => this.#keep(readable.subscribe(listener)) }
  }

  #keep(stop: Stop): Stop {
    if (this.#isDestroyed) stop()
    const once = () => {
      this.#stops.delete(once)
      stop()
    }
    this.#stops.add(once)
    return once
  }
}
