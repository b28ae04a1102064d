import type { Chat, CollaborativeDocument, Session } from '../../client/index.ts'
import type { Cable } from '../support/cable.ts'
import { openSession } from '../support/client-session.ts'
import type { Random } from '../support/random.ts'
import { tokenFor } from '../support/server.ts'
import { editAtRandom, type Tokens } from './tokens.ts'

export interface TabOptions {
  readonly user: string
  /** The device's way to the server. */
  readonly cable: Cable
  readonly documents: readonly string[]
  readonly room: string
  readonly tokens: Tokens
}

interface Written {
  /** In the order of writing. */
  readonly added: string[]
  readonly deleted: Set<string>
  /** Those of `added` that the page said the server has. */
  readonly saved: Set<string>
}

/** One tab of one person, which edits, is reloaded, and notes what it wrote and what it was told about that. */
export class RandomTab {
  readonly user: string
  readonly cable: Cable
  readonly written: ReadonlyMap<string, Written>
  /** Messages sent, in the order of sending. */
  readonly sent: string[] = []
  readonly #options: TabOptions
  #session: Session
  #documents: ReadonlyMap<string, CollaborativeDocument>
  #chat: Chat

  constructor(options: TabOptions) {
    this.#options = options
    this.user = options.user
    this.cable = options.cable
    this.written = new Map(options.documents.map((name) => [name, { added: [], deleted: new Set(), saved: new Set() }]))
    this.#session = this.#open()
    this.#documents = this.#openDocuments()
    this.#chat = this.#openChat()
  }

  get session(): Session {
    return this.#session
  }

  get chat(): Chat {
    return this.#chat
  }

  document(name: string): CollaborativeDocument {
    const document = this.#documents.get(name)
    if (document === undefined) throw new Error(`${name} is not open`)
    return document
  }

  /** Nothing happens before there is something true to show: an editor would not be there yet. */
  edit(random: Random): void {
    const name = random.pick(this.#options.documents)
    const { ydoc, state } = this.document(name)
    const written = this.written.get(name)
    if (!state.get().ready || written === undefined) return
    const { kind, token } = editAtRandom(ydoc, random, this.#options.tokens.create())
    if (kind === 'added') written.added.push(token)
    else written.deleted.add(token)
  }

  say(): void {
    const text = this.#options.tokens.create()
    this.#chat.send({ text })
    this.sent.push(text)
  }

  /** The page is closed, and opened again on the same device. */
  reload(): void {
    this.#session.close()
    this.#session = this.#open()
    this.#documents = this.#openDocuments()
    this.#chat = this.#openChat()
  }

  #open(): Session {
    const { user, cable } = this.#options
    const token = async () => {
      if (cable.isCut) throw new Error('the network is away')
      return tokenFor(user)
    }
    return openSession(cable, { as: user, user, token })
  }

  #openDocuments(): ReadonlyMap<string, CollaborativeDocument> {
    const documents = this.#options.documents.map((name) => this.#session.document(name))
    for (const { name, state } of documents) {
      // Of what was written before a reload, nothing can be said before the copy is here.
      const before = this.written.get(name)?.added.length ?? 0
      state.subscribe(() => this.#noteSaved(name, before))
    }
    return new Map(documents.map((document) => [document.name, document]))
  }

  #noteSaved(name: string, before: number): void {
    const { unsaved, kept, ready } = this.document(name).state.get()
    const written = this.written.get(name)
    if (unsaved > 0 || !ready || written === undefined) return
    for (const token of written.added.slice(kept ? 0 : before)) written.saved.add(token)
  }

  #openChat(): Chat {
    const chat = this.#session.chat(this.#options.room)
    chat.state.subscribe(() => {})
    return chat
  }
}
