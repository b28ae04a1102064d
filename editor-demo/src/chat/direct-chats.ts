import { directChat } from '../../../model/rooms.ts'
import { recall, remember } from '../browser-storage.ts'
import { Store } from '../store.ts'
import type { ChatSession } from './chat-session.ts'
import type { Chats } from './chats.ts'

const KEY = 'coweave:direct'
/** Each takes two or three documents on the page's socket (see MAX_SEGMENTS). */
const MAX_REMEMBERED = 8
const MAX_HERE = 8

export interface DirectChatHint {
  readonly user: string
  readonly unread: number
}

/**
 * The direct chats worth watching for new messages: with those who are in the same document, and those that were used
 * in this browser before. Somebody who is in neither group is heard of when they are met next.
 */
export class DirectChats {
  /** Those with something unread. */
  readonly unread = new Store<readonly DirectChatHint[]>([])
  readonly #chats: Chats
  readonly #self: string
  readonly #watched = new Map<string, { readonly chat: ChatSession; readonly stop: () => void }>()
  #here: readonly string[] = []

  constructor(chats: Chats, self: string) {
    this.#chats = chats
    this.#self = self
    this.#watch()
  }

  setHere(users: readonly string[]): void {
    this.#here = users.filter((user) => user !== this.#self).slice(0, MAX_HERE)
    this.#watch()
  }

  /** Keeps watching the chat with `user` when they have left. */
  use(user: string): void {
    const users = [user, ...this.#remembered().filter((other) => other !== user)].slice(0, MAX_REMEMBERED)
    remember('local', this.#key, JSON.stringify(users))
    this.#watch()
  }

  close(): void {
    for (const { chat, stop } of this.#watched.values()) {
      stop()
      this.#chats.close(chat)
    }
    this.#watched.clear()
  }

  #watch(): void {
    const wanted = new Set([...this.#here, ...this.#remembered()])
    for (const [user, { chat, stop }] of this.#watched) {
      if (wanted.has(user)) continue
      stop()
      this.#chats.close(chat)
      this.#watched.delete(user)
    }
    for (const user of wanted) {
      if (this.#watched.has(user)) continue
      const chat = this.#chats.open(directChat(this.#self, user))
      this.#watched.set(user, { chat, stop: chat.view.subscribe(() => this.#count()) })
    }
    this.#count()
  }

  #count(): void {
    const unread = [...this.#watched]
      .map(([user, { chat }]) => ({ user, unread: chat.view.get().unread }))
      .filter(({ unread }) => unread > 0)
    if (JSON.stringify(unread) !== JSON.stringify(this.unread.get())) this.unread.set(unread)
  }

  get #key(): string {
    return `${KEY}/${this.#self}`
  }

  #remembered(): string[] {
    try {
      const stored: unknown = JSON.parse(recall('local', this.#key) ?? '[]')
      return Array.isArray(stored) ? stored.filter((user) => typeof user === 'string' && user !== this.#self) : []
    } catch {
      return [] // damaged: the chats are watched again once they are used
    }
  }
}
