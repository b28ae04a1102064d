import type * as Y from 'yjs'
import type { Chat, CollaborativeDocument, Lobby, Readable, Session, Stop } from '../../client/api.ts'

/** A session that counts what its users have open, and what they listen to. */
export class CountedSession {
  readonly session: Session
  /** The names of all documents that were ever opened. */
  readonly opened: string[] = []
  documents = 0
  chats = 0
  lobbies = 0
  listeners = 0

  constructor(session: Session) {
    this.session = overriding(session, {
      document: (name: string) => this.#document(session.document(name)),
      chat: (room: string) => this.#chat(session.chat(room)),
      lobby: (group: string) => this.#lobby(session.lobby(group)),
      status: this.#counted(session.status),
    })
  }

  #document(document: CollaborativeDocument): CollaborativeDocument {
    this.opened.push(document.name)
    this.documents += 1
    return overriding(document, {
      state: this.#counted(document.state),
      presence: this.#counted(document.presence),
      onReplaced: (listener: (ydoc: Y.Doc) => void) => this.#count(document.onReplaced(listener)),
      destroy: () => {
        this.documents -= 1
        document.destroy()
      },
    })
  }

  #chat(chat: Chat): Chat {
    this.chats += 1
    return overriding(chat, {
      state: this.#counted(chat.state),
      typists: this.#counted(chat.typists),
      destroy: () => {
        this.chats -= 1
        chat.destroy()
      },
    })
  }

  #lobby(lobby: Lobby): Lobby {
    this.lobbies += 1
    return overriding(lobby, {
      state: this.#counted(lobby.state),
      destroy: () => {
        this.lobbies -= 1
        lobby.destroy()
      },
    })
  }

  #counted<T>({ get, subscribe }: Readable<T>): Readable<T> {
    return { get, subscribe: (listener) => this.#count(subscribe(listener)) }
  }

  #count(stop: Stop): Stop {
    this.listeners += 1
    let isStopped = false
    return () => {
      if (!isStopped) this.listeners -= 1
      isStopped = true
      stop()
    }
  }
}

/** `target`, with `members` in the place of its own. */
function overriding<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(object, key) {
      if (key in members) return Reflect.get(members, key)
      const value: unknown = Reflect.get(object, key)
      // Private fields are found on the object itself only.
      return typeof value === 'function' ? value.bind(object) : value
    },
  })
}

/** How many listeners a Y.Doc and its root types have. */
export function listenersOf(ydoc: Y.Doc): number {
  const own = [...ydoc._observers.values()].reduce((sum, listeners) => sum + listeners.size, 0)
  return [...ydoc.share.values()].reduce((sum, { _eH, _dEH }) => sum + _eH.l.length + _dEH.l.length, own)
}
