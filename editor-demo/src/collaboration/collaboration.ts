import type { Session } from '../session.ts'
import { type DocumentKind, DocumentSession, textDocument } from './document-session.ts'
import { PageSocket } from './page-socket.ts'

/** The page's documents and the socket they share. */
export class Collaboration {
  readonly #session: Session
  readonly #socket: PageSocket
  readonly #documents = new Map<string, DocumentSession>()
  /** Those that are only open until the server has their last edits. */
  readonly #leaving = new Set<DocumentSession>()

  constructor(session: Session) {
    this.#session = session
    this.#socket = new PageSocket(socketUrl(), (frame) => this.#documents.get(frame.document)?.frameSent(frame))
    this.#followNetwork()
    this.#followIdentity()
    addEventListener('beforeunload', (event) => {
      if ([...this.#documents.values()].some((document) => document.wouldLoseEdits)) event.preventDefault()
    })
  }

  open(name: string, kind: DocumentKind = textDocument): DocumentSession {
    let document = this.#documents.get(name)
    if (document === undefined) {
      document = new DocumentSession(name, this.#session, this.#socket, kind)
      this.#documents.set(name, document)
    } else if (this.#leaving.delete(document)) {
      document.showAs(this.#session.identity)
    }
    return document
  }

  /** Closes `document` once the server has its last edits. */
  close(document: DocumentSession): void {
    const settled = () => document.unacknowledged === 0 || document.view.get().status.kind === 'refused'
    if (settled()) {
      this.#forget(document)
      return
    }
    document.hide()
    this.#leaving.add(document)
    const stop = document.view.subscribe(() => {
      if (this.#leaving.has(document) && !settled()) return
      stop()
      if (this.#leaving.delete(document)) this.#forget(document)
    })
  }

  /** Closes `document` at once and deletes this browser's copy of it: what only it has is lost. */
  async abandon(document: DocumentSession): Promise<void> {
    this.#leaving.delete(document)
    if (this.#documents.get(document.name) === document) this.#documents.delete(document.name)
    await document.abandon()
  }

  #forget(document: DocumentSession): void {
    if (this.#documents.get(document.name) === document) this.#documents.delete(document.name)
    document.destroy()
  }

  /** The browser knows at once what a silent socket would only show after half a minute. */
  #followNetwork(): void {
    addEventListener('offline', () => this.#socket.drop('the network is away'))
    addEventListener('online', () => this.#resume())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#resume()
    })
  }

  #resume(): void {
    if (this.#socket.shouldConnect) this.#socket.start()
  }

  /** The server takes the name from the token, and reads the token when a connection begins. */
  #followIdentity(): void {
    let before = this.#session.identity
    this.#session.view.subscribe(() => {
      const { identity } = this.#session
      if (identity === before) return
      before = identity
      for (const document of this.#documents.values()) {
        if (!this.#leaving.has(document)) document.showAs(identity)
        document.expectReconnect()
      }
      if (this.#socket.webSocket === null) return
      this.#socket.drop('another name')
      this.#socket.start()
    })
  }
}

function socketUrl(): string {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/collab`
}
