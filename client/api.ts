import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Call, CallMedia } from '../model/calls.ts'
import type { ChatMessage, Draft } from '../model/chat.ts'
import type { DirectRefusal } from '../model/direct.ts'
import type { Notification } from '../model/inbox.ts'
import type { ChosenStatus, LobbyMember } from '../model/lobby.ts'

/** Ends a subscription. May be called more than once. */
export type Stop = () => void

/** A value that changes; the same object until it does, so that React's useSyncExternalStore can follow it. */
export interface Readable<T> {
  get(): T
  /** `listener` is called after each change. */
  subscribe(listener: () => void): Stop
}

export interface ConnectOptions {
  /** Where the server is, such as `https://collab.example.com`; a path is kept. */
  readonly url: string
  /**
   * Called whenever a token is needed: at the start, before the last one ends, after one was refused. Throw a
   * TokenRefusedError when there is none for this user; any other error is taken for a network that is away.
   */
  readonly token: () => Promise<string>
  /**
   * Whose session it is: the `sub` of the tokens. With it, local copies open before the first token is there, as on
   * a train; without it, once the first token tells. A token of somebody else is refused.
   */
  readonly user?: string
  /** The version of the app's document schema; the server may let older ones only read (close code 4426). */
  readonly schema?: number
  /** Whether documents are kept on this device (IndexedDB) and shared between tabs; true where a browser can. */
  readonly keepLocally?: boolean
  /** Updates larger than this go up over HTTP, in parts, bytes; at most the server's MAX_MESSAGE_BYTES. */
  readonly maxMessageBytes?: number
}

/** Why the server won't go on. Only the app, or a new token, can change that. */
export interface Refusal {
  readonly reason:
    | 'unauthorized'
    | 'forbidden'
    | 'other-user'
    | 'malformed'
    | 'timeout'
    | 'client-id-taken'
    | 'deleted'
    | 'reset'
    | 'too-big'
    | 'schema-too-old'
    | 'too-many'
    | 'other'
  /** The server's words, or the library's; may be empty. */
  readonly message: string
}

/** How a session, or one of its documents, is connected. */
export type Status =
  | { readonly kind: 'connecting' }
  /** `via` HTTP where sockets are blocked: slower, with the same guarantees. */
  | { readonly kind: 'online'; readonly via: 'socket' | 'http' }
  /** It goes on by itself. `reason` is for people. */
  | { readonly kind: 'offline'; readonly reason: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** Everything about a document that a page shows around its content. */
export interface DocumentState {
  readonly status: Status
  /** There is something true to show: the server's content, or a local copy. Before that, an editor must wait. */
  readonly ready: boolean
  /** The server's content has arrived over the present connection. */
  readonly synced: boolean
  /** Edits are turned down: by the grant, or since the app's schema is too old for the document. */
  readonly readOnly: false | 'grant' | 'schema-too-old'
  /** Edits made here, also before a reload, that the server has not acknowledged. */
  readonly unsaved: number
  /** This device keeps what is not saved yet; false where storage is full or missing. */
  readonly kept: boolean
  /** How many of the unsaved edits this device's storage has not committed: closing the page now would lose them. */
  readonly unkept: number
  /** Of a crowd, how many more users have the document open than `presence` lists. */
  readonly unseenPeople: number
}

/** A change that the server refused. The document is back to what the server has; nothing is lost but what is here. */
export interface RefusedChange {
  /** Stable, such as `chat/foreign-author`. */
  readonly rule: string
  readonly reason: string
  /** All that was here and not on the server, as a Yjs update against the server's state. */
  readonly update: Uint8Array
  /** The document as it was before it was taken back; destroyed once all listeners have returned. */
  readonly before: Y.Doc
}

/** A handle on a document; handles of one name share it. */
export interface CollaborativeDocument {
  readonly name: string
  /** Another one after a refused change (`onReplaced`): bind editors anew then. */
  readonly ydoc: Y.Doc
  readonly awareness: Awareness
  readonly state: Readable<DocumentState>
  readonly status: Status
  readonly unsaved: number
  /** Who has it open, as its connections' tokens say. */
  readonly presence: Readable<readonly Presence[]>
  /**
   * Resolves once the server's content has arrived for the first time. Rejects when the document is refused; each time
   * it is tried again there is another promise.
   */
  readonly whenSynced: Promise<void>
  /** Resolves once there is something true to show. Rejects when the document is refused and there is no copy. */
  readonly whenReady: Promise<void>
  /** Resolves once the server has on its disk all edits made before the call. Rejects when it won't take them. */
  whenSaved(): Promise<void>
  /**
   * Sets what others see of this user here, beside those fields that were set before; undefined takes one away. Those
   * inside `user`, such as `{ user: { color: '#0b6e4f' } }`, go beside the id and name that the server puts there,
   * which is where editors' bindings look for the colours of carets.
   */
  setPresence(fields: Readonly<Record<string, unknown>>): void
  /**
   * Sends a stateless message of Hocuspocus to the server. Returns false where the document isn't open there now: then
   * nothing is sent.
   */
  sendStateless(message: string): boolean
  /** Hears stateless messages of the server, but for those that the library sees to itself. */
  onStateless(listener: (message: string) => void): Stop
  onRefused(listener: (change: RefusedChange) => void): Stop
  onReplaced(listener: (ydoc: Y.Doc) => void): Stop
  /** Tries a refused document again, with a new token. */
  retry(): void
  /** Deletes this device's copy, with the edits that only it has, and begins anew from the server. */
  discardCopy(): Promise<void>
  /** Gives the handle back. With the last one the document closes, once the server or this device has its edits. */
  destroy(): void
}

/** One person who has a document open, however many windows they have. */
export interface Presence {
  readonly user: string
  readonly name: string
  readonly self: boolean
  /** As the server says: a program that reads and writes, such as a language model's. */
  readonly kind?: 'agent'
  /** What they set with setPresence(), also inside `user`, from their newest window; nobody has checked it. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** What a room looks like. */
export interface ChatState {
  readonly status: Status
  readonly ready: boolean
  readonly readOnly: boolean
  /** In the room's order; own ones that were not sent yet come last. */
  readonly messages: readonly ChatMessage[]
  /** What the server refused: message id → why. */
  readonly problems: Readonly<Record<string, string>>
  /** Read marks: user → seq. */
  readonly reads: Readonly<Record<string, number>>
  readonly unread: number
  /** A line above the new messages stands after this seq; 0 for none. */
  readonly newAfter: number
  /** This device's storage has all that was written here. */
  readonly kept: boolean
  readonly earlier: 'none' | 'there' | 'loading' | 'too-far'
  /** Why a change of an earlier message was taken back, until dismissRefusedChange(). */
  readonly refusedChange: string | undefined
}

export interface SearchPage {
  /** The newest first. */
  readonly messages: readonly ChatMessage[]
  /** What to ask for the next page with; undefined at the end. */
  readonly next: number | undefined
}

/** The calls of a room: who calls whom, and what becomes of it. Their media are in `coweave/calls`. */
export interface Calls {
  /** The oldest first; of those that are over, the last hundred. */
  readonly list: Readable<readonly Call[]>
  /** What this window is called in calls. Where a user takes part with another device, a call doesn't ring here. */
  readonly device: string
  /**
   * Calls somebody, at most five. Returns the call's id.
   * @throws {CoweaveError} `call/offline`, `call/read-only`
   */
  start(to: readonly string[], media: CallMedia): string
  /** What comes too late changes nothing. @throws {CoweaveError} `call/no-such-call`, as the following do */
  answer(id: string): void
  decline(id: string): void
  /** Ends a call of one's own that still rings; `end` one that was answered. */
  cancel(id: string): void
  end(id: string): void
  /** Carries what the parties of a call tell each other about their media. */
  signalling(id: string): CallSignalling
}

export interface CallSignalling {
  /** Hands `signal`, which is plain JSON of less than 64 KiB, to a party's device; dropped while it is away. */
  send(party: string, signal: unknown): void
  listen(listener: (party: string, signal: unknown) => void): Stop
}

/** What one user sent to another through a room that both had open. */
export interface DirectMessage {
  readonly from: string
  readonly kind: string
  readonly payload: unknown
  readonly room: string
}

/** A handle on a room; handles of one room share it. Its documents open with the first use of `state`, or a method. */
export interface Chat {
  readonly room: string
  readonly state: Readable<ChatState>
  /** Who is typing, without oneself. */
  readonly typists: Readable<readonly Presence[]>
  readonly calls: Calls
  /** Returns the message's id. */
  send(draft: Draft): string
  reply(to: string, text: string): string
  /** A message about a place in the document beside the room. */
  comment(text: string, anchor: NonNullable<Draft['anchor']>): string
  edit(id: string, text: string): void
  delete(id: string): void
  react(id: string, emoji: string, isOn: boolean): void
  /** Sends a refused message once more; under another id, if this device's clock was ahead when it was written. */
  retry(id: string): void
  /** Marks everything as read; `setSeen` does it by itself as messages come. */
  markRead(): void
  /** Whether somebody sees the end of the list now. */
  setSeen(isSeen: boolean): void
  /** Puts the line above what is new where reading ended: the list comes into view. To be called before `setSeen`. */
  enter(): void
  /** A key was pressed: others see it for three seconds. */
  typing(): void
  loadEarlier(): void
  search(text: string, options?: { readonly before?: number; readonly signal?: AbortSignal }): Promise<SearchPage>
  dismissRefusedChange(): void
  destroy(): void
}

/** A member of a lobby. */
export interface LobbyPerson extends LobbyMember {
  /** As their token says while they are online; the user id of who was not seen yet. */
  readonly name: string
  readonly self: boolean
}

/** What a lobby looks like. Who leaves is shown as offline 3 s later: a reload is no leave. */
export interface LobbyState {
  readonly status: Status
  readonly ready: boolean
  readonly readOnly: boolean
  /** Oneself first, then by name. */
  readonly members: readonly LobbyPerson[]
}

/** A handle on the lobby of a group: while one is open, the user is online there. */
export interface Lobby {
  readonly group: string
  readonly state: Readable<LobbyState>
  /** `online` lets the devices tell: away once none of them was used for five minutes. */
  setStatus(status: ChosenStatus): void
  /** What one is doing, in one line of at most 140 characters; undefined for nothing. @throws {CoweaveError} `lobby/bad-activity` */
  setActivity(activity: string | undefined): void
  destroy(): void
}

export interface InboxState {
  readonly status: Status
  readonly ready: boolean
  /** The newest first. */
  readonly notifications: readonly Notification[]
  readonly unread: number
}

/** A handle on the inbox of the session's user. What is marked or dismissed without a connection is sent later. */
export interface Inbox {
  readonly state: Readable<InboxState>
  markRead(id: string): void
  markAllRead(): void
  /** Takes it out of the inbox, on all devices. */
  dismiss(id: string): void
  destroy(): void
}

/** One user's connection to a server, with all documents and rooms on one socket. */
/** What becomes of notifications on this device while no page is connected. `on`: the browser has a subscription. */
export type PushState = 'unsupported' | 'denied' | 'off' | 'on'

/** Notifications of the session's user on this device while no page is connected, through a service worker. */
export interface Push {
  state(registration: ServiceWorkerRegistration): Promise<PushState>
  /**
   * Asks the person for permission, and has notifications pushed to this browser: call it while a click is handled. Called
   * again it makes sure that the server knows, and that they are those of this session's user.
   * @throws {CoweaveError} `push/unsupported`, `push/denied`, `push/off` where the server does not push; or the server's
   */
  enable(registration: ServiceWorkerRegistration): Promise<void>
  /** Nothing is pushed to this browser any more, whoever's it was. */
  disable(registration: ServiceWorkerRegistration): Promise<void>
}

export interface Session {
  /** Undefined until the first token tells, where `user` was not given. */
  readonly user: string | undefined
  /** While no document is open there is no connection: it rests at `connecting`. */
  readonly status: Readable<Status>
  /**
   * Opens a document; each handle is to be destroyed.
   * @throws {CoweaveError} `document/bad-name`, `client/closed`
   */
  document(name: string): CollaborativeDocument
  chat(room: string): Chat
  /**
   * Sends a message, which nobody keeps, to all connections of a user through a room that both have open: `payload` is
   * plain JSON, of less than 64 KiB with all around it. Returns false where no room that is open here shows that user.
   */
  send(user: string, kind: string, payload: unknown): boolean
  onDirectMessage(listener: (message: DirectMessage) => void): Stop
  /** The server did not deliver a message: it was too big, say, or came too fast. */
  onDirectRefused(listener: (refusal: DirectRefusal) => void): Stop
  /**
   * Shows in the lobby of a group that the user is online, and who else is; each handle is to be destroyed.
   * @throws {CoweaveError} `document/bad-name`, `client/closed`
   */
  lobby(group: string): Lobby
  /** Opens the user's own inbox; each handle is to be destroyed. @throws {CoweaveError} `client/closed` */
  inbox(): Inbox
  readonly push: Push
  /** Asks for a new token and connects anew with it: after another name was chosen, or something was granted. */
  renewToken(): void
  /** Asks the server's HTTP API with a token, once more with a new one if that is refused. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /**
   * Closes everything; `erase` deletes this user's local copies, with what only they have. Rejects where it isn't known
   * whose they are, since no token can be had.
   */
  signOut(options?: { readonly erase?: boolean }): Promise<void>
  /** Closes everything at once. Local copies stay. */
  close(): void
}
