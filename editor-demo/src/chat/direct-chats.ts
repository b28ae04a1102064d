import { type Call, type Chat, directChat, isOver, type Session, Store } from '../../../client/index.ts'
import { recall, remember } from '../browser-storage.ts'

const KEY = 'coweave:direct'
/** Each takes two or three documents on the page's socket. */
const MAX_REMEMBERED = 8
const MAX_HERE = 8

export interface DirectChatHint {
  readonly user: string
  readonly unread: number
}

/** A call in a direct chat that is not over. */
export interface DirectCall {
  readonly user: string
  readonly chat: Chat
  readonly call: Call
}

/** While no direct chat is watched. */
export const noHints = new Store<readonly DirectChatHint[]>([])

/**
 * The direct chats worth watching for new messages and calls: with those who are in the same document, or online in the
 * lobby, and those that were used in this browser before. Somebody who is in no such group is heard of when they are met
 * next.
 */
export class DirectChats {
  /** Those with something unread. */
  readonly unread = new Store<readonly DirectChatHint[]>([])
  readonly calls = new Store<readonly DirectCall[]>([])
  readonly #session: Session
  readonly #self: string
  readonly #watched = new Map<string, { readonly chat: Chat; readonly stop: () => void }>()
  #here: readonly string[] = []
  #online: readonly string[] = []

  constructor(session: Session, self: string) {
    this.#session = session
    this.#self = self
    this.#watch()
  }

  /** Who is in the same document. */
  setHere(users: readonly string[]): void {
    this.#here = users
    this.#watch()
  }

  /** Who is online anywhere. */
  setOnline(users: readonly string[]): void {
    this.#online = users
    this.#watch()
  }

  /** Keeps watching the chat with `user` when they have left. */
  use(user: string): void {
    const users = [user, ...this.#remembered().filter((other) => other !== user)].slice(0, MAX_REMEMBERED)
    remember('local', this.#key, JSON.stringify(users))
    this.#watch()
  }

  close(): void {
    for (const user of [...this.#watched.keys()]) this.#unwatch(user)
  }

  #watch(): void {
    const present = [...new Set([...this.#here, ...this.#online])].filter((user) => user !== this.#self)
    const wanted = new Set([...present.slice(0, MAX_HERE), ...this.#remembered()])
    for (const user of [...this.#watched.keys()]) if (!wanted.has(user)) this.#unwatch(user)
    for (const user of wanted) {
      if (this.#watched.has(user)) continue
      const chat = this.#session.chat(directChat(this.#self, user))
      const stops = [chat.state.subscribe(() => this.#count()), chat.calls.list.subscribe(() => this.#findCalls())]
      this.#watched.set(user, {
        chat,
        stop: () => {
          for (const stop of stops) stop()
        },
      })
    }
    this.#count()
    this.#findCalls()
  }

  #unwatch(user: string): void {
    const watched = this.#watched.get(user)
    this.#watched.delete(user)
    watched?.stop()
    watched?.chat.destroy()
  }

  #findCalls(): void {
    const open = [...this.#watched].flatMap(([user, { chat }]) =>
      chat.calls.list
        .get()
        .filter(({ state }) => !isOver(state))
        .map((call) => ({ user, chat, call })),
    )
    const before = this.calls.get()
    const isSame =
      before.length === open.length &&
      open.every(({ chat, call }, index) => chat === before[index]?.chat && call === before[index]?.call)
    if (!isSame) this.calls.set(open)
  }

  #count(): void {
    const unread = [...this.#watched]
      .map(([user, { chat }]) => ({ user, unread: chat.state.get().unread }))
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
