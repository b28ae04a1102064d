import type { CollaborativeDocument } from '../../client/api.ts'
import { openChat } from '../../client/chat/open-chat.ts'
import { ClientSession } from '../../client/session.ts'
import type { SessionDocuments } from '../../client/session-documents.ts'
import { Cable } from './cable.ts'
import { type TestServer, type TokenOptions, tokenFor } from './server.ts'

/** A session whose open documents can be counted, on a cable that can be cut. */
export class CountedDocuments implements SessionDocuments {
  readonly cable: Cable
  /** The names of all documents that were ever opened. */
  readonly opened: string[] = []
  readonly #session: ClientSession
  readonly #open = new Set<CollaborativeDocument>()

  static async of(server: TestServer, user: string, token?: TokenOptions): Promise<CountedDocuments> {
    return new CountedDocuments(await Cable.to(server), user, token)
  }

  private constructor(cable: Cable, user: string, token?: TokenOptions) {
    this.cable = cable
    this.#session = new ClientSession(
      { url: cable.url, user, token: async () => tokenFor(user, token) },
      { HttpSocket: undefined, uploadUpdate: undefined, openChat, openLobby: undefined },
    )
  }

  get user(): string | undefined {
    return this.#session.user
  }

  get whenUser(): Promise<string> {
    return this.#session.whenUser
  }

  /** Rooms keep what is not sent where there is a localStorage, also where documents can't be kept. */
  get storageKey(): string {
    return 'test'
  }

  /** How many documents are open. */
  get count(): number {
    return this.#open.size
  }

  open(name: string, options?: { readonly presence?: boolean }): CollaborativeDocument {
    const document = this.#session.open(name, options)
    this.opened.push(name)
    this.#open.add(document)
    const destroy = document.destroy.bind(document)
    document.destroy = () => {
      this.#open.delete(document)
      destroy()
    }
    return document
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return this.#session.fetch(path, init)
  }

  close(): void {
    this.#session.close()
    this.cable.close()
  }
}
