import type { DirectRefusal } from '../model/direct.ts'
import { parseDocumentName } from '../model/document-name.ts'
import { CoweaveError } from '../model/errors.ts'
import { addressesOf } from './addresses.ts'
import type {
  Chat,
  CollaborativeDocument,
  ConnectOptions,
  DirectMessage,
  Inbox,
  Lobby,
  Push,
  Readable,
  Session,
  Status,
  Stop,
} from './api.ts'
import { DirectMessages } from './chat/direct-messages.ts'
import { closeRooms } from './chat/open-chat.ts'
import { eraseOutboxes } from './chat/outbox-storage.ts'
import { Connection } from './connection.ts'
import { hasDatabases } from './databases.ts'
import { SharedDocument } from './document.ts'
import { DocumentHandle } from './document-handle.ts'
import { closedError, RefusedError } from './errors.ts'
import { InboxHandle } from './inbox/inbox-handle.ts'
import { PushHandle } from './inbox/push.ts'
import { LocalCopies } from './local-copies.ts'
import { MessageSizes } from './message-sizes.ts'
import type { SessionContext, Upload } from './session-context.ts'
import type { SessionDocuments } from './session-documents.ts'
import type { SocketClass } from './session-socket.ts'
import { Tokens } from './tokens.ts'
import { Transport } from './transport.ts'

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** The ways around what blocks sockets, or big messages on them, and what is built on documents. */
export interface Extras {
  readonly HttpSocket: SocketClass | undefined
  readonly uploadUpdate: ((upload: Upload) => Promise<void>) | undefined
  readonly openChat: ((documents: SessionDocuments, room: string) => Chat) | undefined
  readonly openLobby:
    | ((documents: SessionDocuments, group: string, options: { readonly onDestroyed: () => void }) => Lobby)
    | undefined
}

interface OpenDocument {
  readonly document: SharedDocument
  handles: number
}

export class ClientSession implements Session, SessionDocuments {
  readonly status: Readable<Status>
  readonly whenUser: Promise<string>
  readonly storageKey: string | undefined
  readonly push: Push = new PushHandle(this)
  readonly #context: SessionContext
  readonly #copies: (user: string) => LocalCopies
  readonly #erase: (user: string) => Promise<void>
  readonly #openChat: Extras['openChat']
  readonly #openLobby: Extras['openLobby']
  readonly #lobbies = new Set<Lobby>()
  readonly #documents = new Map<string, OpenDocument>()
  readonly #directs = new DirectMessages()
  #isClosed = false

  /** @throws {CoweaveError} `client/bad-url`, `client/no-websocket` */
  constructor(options: ConnectOptions, { HttpSocket, uploadUpdate, openChat, openLobby }: Extras) {
    const { http, socket, key } = addressesOf(options.url, options.schema)
    const tokens = new Tokens(options.token, options.user, () => this.#tokenCame())
    const sizes = new MessageSizes(options.maxMessageBytes ?? MAX_MESSAGE_BYTES)
    const transport = new Transport({
      http,
      socket,
      HttpSocket,
      onSocketPossible: () => connection.reconnect('sockets work again'),
    })
    const connection: Connection = new Connection({
      socketUrl: socket,
      tokens,
      transport,
      onMessageTooBig: () => sizes.tooBig(),
    })
    const keepsLocally = options.keepLocally ?? hasDatabases()
    this.storageKey = keepsLocally ? key : undefined
    this.#copies = (user) => new LocalCopies(key, user)
    this.#erase = async (user) => {
      eraseOutboxes(key, user)
      await this.#copies(user).erase()
    }
    this.#openChat = openChat
    this.#openLobby = openLobby
    this.#context = {
      url: http,
      schema: options.schema,
      tokens,
      connection,
      sizes,
      copiesOf: (user) => (keepsLocally ? this.#copies(user) : undefined),
      uploadUpdate,
    }
    this.status = connection.status
    this.whenUser = tokens.whenUser
    if (typeof window !== 'undefined') window.addEventListener('beforeunload', this.#warn)
  }

  get user(): string | undefined {
    return this.#context.tokens.user
  }

  document(name: string): CollaborativeDocument {
    return this.open(name)
  }

  chat(room: string): Chat {
    if (this.#openChat === undefined) throw new CoweaveError('client/no-chat', 'this build has no chat')
    return this.#openChat(this, room)
  }

  send(user: string, kind: string, payload: unknown): boolean {
    return this.#directs.send(user, kind, payload)
  }

  onDirectMessage(listener: (message: DirectMessage) => void): Stop {
    return this.#directs.onMessage(listener)
  }

  onDirectRefused(listener: (refusal: DirectRefusal) => void): Stop {
    return this.#directs.onRefused(listener)
  }

  lobby(group: string): Lobby {
    if (this.#openLobby === undefined) throw new CoweaveError('client/no-lobby', 'this build has no lobby')
    const lobby: Lobby = this.#openLobby(this, group, { onDestroyed: () => this.#lobbies.delete(lobby) })
    this.#lobbies.add(lobby)
    return lobby
  }

  inbox(): Inbox {
    if (this.#isClosed) throw closedError('the session')
    return new InboxHandle(this)
  }

  open(name: string, { presence = true }: { readonly presence?: boolean } = {}): CollaborativeDocument {
    if (this.#isClosed) throw closedError('the session')
    const open = this.#documents.get(parseDocumentName(name)) ?? this.#add(name, presence)
    open.handles += 1
    open.document.use(true)
    this.#context.connection.want(true)
    return new DocumentHandle(open.document, {
      retry: () => void this.#retry(open),
      release: () => {
        open.handles -= 1
        if (open.handles === 0) open.document.use(false)
      },
    })
  }

  renewToken(): void {
    void this.#renew(() => this.#context.connection.restart())
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const { tokens, url } = this.#context
    const send = async (token: string) => {
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${token}`)
      return fetch(url + path, { ...init, headers })
    }
    const { text } = await tokens.get()
    const response = await send(text)
    if (response.status !== 401) return response
    await response.body?.cancel()
    tokens.refuse(text)
    return send((await tokens.get()).text)
  }

  async signOut({ erase = false }: { readonly erase?: boolean } = {}): Promise<void> {
    // Whose copies they are must be known, or nothing could be erased.
    if (erase && this.user === undefined) await this.#context.tokens.get()
    this.close()
    if (erase && this.user !== undefined) await this.#erase(this.user)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (typeof window !== 'undefined') window.removeEventListener('beforeunload', this.#warn)
    closeRooms(this)
    for (const lobby of this.#lobbies) lobby.destroy()
    for (const { document } of this.#documents.values()) document.destroy()
    this.#documents.clear()
    this.#context.tokens.close()
    this.#context.connection.close()
  }

  #add(name: string, presence: boolean): OpenDocument {
    const document: SharedDocument = new SharedDocument(name, this.#context, presence, () =>
      this.#forget(name, document),
    )
    const open = { document, handles: 0 }
    this.#documents.set(name, open)
    this.#directs.opened(document)
    return open
  }

  #forget(name: string, document: SharedDocument): void {
    if (this.#documents.get(name)?.document !== document) return
    this.#documents.delete(name)
    this.#directs.closed(document)
    document.destroy()
    this.#context.connection.want(this.#documents.size > 0)
  }

  async #retry({ document }: OpenDocument): Promise<void> {
    await this.#renew(() => {
      document.forgetRefusal()
      if (this.status.get().kind === 'online') document.tokenCame()
      else this.#context.connection.restart()
    })
  }

  /** Does something with a new token. Without one, the session says why, or comes back when there is one. */
  async #renew(act: () => void): Promise<void> {
    const { tokens, connection } = this.#context
    // What was turned down before may be good now: the app says so.
    tokens.refuse(undefined)
    try {
      await tokens.renew()
    } catch (error) {
      if (this.#isClosed) return
      if (error instanceof RefusedError) connection.refuse(error.refusal)
      else connection.restart()
      return
    }
    if (!this.#isClosed) act()
  }

  #tokenCame(): void {
    this.#context.connection.tokenCame()
    for (const { document } of this.#documents.values()) document.tokenCame()
  }

  readonly #warn = (event: BeforeUnloadEvent): void => {
    if ([...this.#documents.values()].some(({ document }) => document.wouldLoseEdits)) event.preventDefault()
  }
}
