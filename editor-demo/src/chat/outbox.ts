import type { ChatMessage, Draft } from '../../../model/chat.ts'
import { recall, remember } from '../browser-storage.ts'

/** A message that no document holds now: the room was not there yet, or the part it was written into is closed. */
export interface UnsentMessage extends Draft {
  readonly id: string
  readonly at: number
  /** How often it was written into the room and refused. */
  readonly attempts: number
  /** Why the server won't have it; it is sent again only when the user asks for that. */
  readonly problem?: string
}

/** The unsent messages of one room, in their order, kept by this browser. */
export class Outbox {
  readonly #key: string
  #messages: readonly UnsentMessage[]

  constructor(user: string, room: string) {
    this.#key = `coweave:outbox/${user}/${room}`
    this.#messages = parse(recall('local', this.#key))
  }

  get messages(): readonly UnsentMessage[] {
    return this.#messages
  }

  /** Adds those that are not there yet. */
  add(messages: readonly UnsentMessage[]): void {
    const fresh = messages.filter(({ id }) => !this.#messages.some((message) => message.id === id))
    if (fresh.length > 0) this.#set([...this.#messages, ...fresh])
  }

  change(id: string, change: (message: UnsentMessage) => UnsentMessage): void {
    this.#set(this.#messages.map((message) => (message.id === id ? change(message) : message)))
  }

  remove(id: string): void {
    if (this.#messages.some((message) => message.id === id)) {
      this.#set(this.#messages.filter((message) => message.id !== id))
    }
  }

  #set(messages: readonly UnsentMessage[]): void {
    this.#messages = messages
    remember('local', this.#key, JSON.stringify(messages))
  }
}

function parse(text: string | undefined): readonly UnsentMessage[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(value) ? value.filter(isUnsent) : []
  } catch {
    return [] // damaged: nobody else writes here, so there is nothing to save
  }
}

function isUnsent(value: unknown): value is UnsentMessage {
  if (typeof value !== 'object' || value === null) return false
  const { id, text, at, attempts } = value as Partial<Record<string, unknown>>
  return typeof id === 'string' && typeof text === 'string' && typeof at === 'number' && typeof attempts === 'number'
}

/** A message that no longer belongs where it was written. */
export function unsentFrom({ id, at, text, replyTo, anchor, attachments }: ChatMessage): UnsentMessage {
  return {
    id,
    at,
    text,
    attempts: 0,
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(anchor === undefined ? {} : { anchor }),
    ...(attachments === undefined ? {} : { attachments }),
  }
}

export function shownMessage(
  { attempts: _attempts, problem: _problem, ...message }: UnsentMessage,
  author: string,
): ChatMessage {
  return { ...message, author }
}
