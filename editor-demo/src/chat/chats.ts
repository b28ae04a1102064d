import type { Collaboration } from '../collaboration/collaboration.ts'
import type { Session } from '../session.ts'
import { ChatSession } from './chat-session.ts'
import { type SearchPage, searchMessages } from './search.ts'

/** The rooms that are open on this page; each once, however many parts of the page show it. */
export class Chats {
  readonly #session: Session
  readonly #collaboration: Collaboration
  readonly #open = new Map<string, { readonly chat: ChatSession; users: number }>()

  constructor(session: Session, collaboration: Collaboration) {
    this.#session = session
    this.#collaboration = collaboration
  }

  open(room: string): ChatSession {
    const existing = this.#open.get(room)
    if (existing !== undefined) {
      existing.users += 1
      return existing.chat
    }
    const chat = new ChatSession(room, this.#session.identity.id, this.#collaboration)
    this.#open.set(room, { chat, users: 1 })
    return chat
  }

  search(room: string, text: string, before: number | undefined, signal: AbortSignal): Promise<SearchPage> {
    return searchMessages(this.#session, room, text, { before, signal })
  }

  close({ room }: ChatSession): void {
    const entry = this.#open.get(room)
    if (entry === undefined) return
    entry.users -= 1
    if (entry.users > 0) return
    this.#open.delete(room)
    entry.chat.destroy()
  }
}
