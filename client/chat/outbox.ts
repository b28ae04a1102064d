import { type ChatMessage, type Draft, newMessageId, timeOfMessageId } from '../../model/chat.ts'
import { noStorage, type OutboxStorage, outboxStorage } from './outbox-storage.ts'

/** A message of one's own that the server is not known to have stored. */
export interface UnsentMessage extends Draft {
  readonly id: string
  /** By this device's clock, ms since 1970. */
  readonly at: number
  /** Among those of the same moment. */
  readonly place: number
  /** The segment whose document has it; undefined while it has to be written into one. */
  readonly writtenIn?: number | undefined
  /** How often it was written into the room by itself and refused. */
  readonly attempts: number
  /** Why the server won't have it; it is sent again only when the user asks for that. */
  readonly problem?: string
}

/**
 * The unsent messages of one user in one room, oldest first. Each is kept under a key of its own, so that tabs don't
 * overwrite each other's.
 */
export class Outbox {
  readonly #storage: OutboxStorage
  readonly #prefix: string
  readonly #unkept = new Set<string>()
  readonly #stops: readonly (() => void)[]
  #messages: readonly UnsentMessage[] = []

  /**
   * `prefix` begins the keys under which they are kept; undefined where nothing is. `onChange` is called when another
   * tab has sent or deleted one, and when this one takes over what closed tabs have left: what an open tab writes is its
   * own to send.
   */
  constructor(prefix: string | undefined, onChange: () => void, storage = outboxStorage()) {
    this.#storage = prefix === undefined ? noStorage : storage
    this.#prefix = prefix ?? ''
    this.#stops = [
      this.#storage.onForeignChange(this.#prefix, () => {
        const stored = new Set(this.#stored().map(({ id }) => id))
        this.#messages = this.#messages.filter(({ id }) => stored.has(id) || this.#unkept.has(id))
        onChange()
      }),
      this.#storage.onTurn(this.#prefix, () => {
        const left = this.#stored().filter(({ id }) => !this.has(id))
        if (left.length === 0) return
        this.#messages = inOrderOfWriting([...this.#messages, ...left])
        onChange()
      }),
    ]
  }

  get messages(): readonly UnsentMessage[] {
    return this.#messages
  }

  /** Those that are still to be stored. */
  get pending(): readonly UnsentMessage[] {
    return this.#messages.filter(({ problem }) => problem === undefined)
  }

  /** Those that are still to be written into a segment. */
  get queued(): readonly UnsentMessage[] {
    return this.pending.filter(({ writtenIn }) => writtenIn === undefined)
  }

  /** This device's storage has all of them. */
  get isKept(): boolean {
    return this.#unkept.size === 0
  }

  has(id: string): boolean {
    return this.#messages.some((message) => message.id === id)
  }

  /** Adds those that are not there yet. */
  add(messages: readonly Omit<UnsentMessage, 'place'>[]): void {
    const fresh = messages.filter(({ id }) => !this.has(id))
    let place = this.#messages.reduce((last, message) => Math.max(last, message.place), 0)
    for (const message of fresh) {
      place += 1
      this.#put({ ...message, place })
    }
  }

  change(id: string, change: (message: UnsentMessage) => UnsentMessage): void {
    const message = this.#messages.find((message) => message.id === id)
    if (message !== undefined) this.#put(change(message))
  }

  /**
   * Makes a refused one ready to be sent once more. Its time may have been the problem: one that is ahead of this
   * device's clock gives way to the present one, in its id too.
   */
  retry(id: string): void {
    const refused = this.#messages.find((message) => message.id === id)
    if (refused?.problem === undefined) return
    const { problem: _problem, ...unsent } = refused
    const now = Date.now()
    const isAhead = timeOfMessageId(id) > now
    if (isAhead) this.remove(id)
    this.#put({ ...unsent, id: isAhead ? newMessageId(now) : id, at: Math.min(unsent.at, now), attempts: 0 })
  }

  remove(id: string): void {
    this.#messages = this.#messages.filter((message) => message.id !== id)
    this.#unkept.delete(id)
    this.#storage.remove(this.#prefix + id)
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  #put(message: UnsentMessage): void {
    this.#messages = inOrderOfWriting([...this.#messages.filter(({ id }) => id !== message.id), message])
    if (this.#storage.set(this.#prefix + message.id, JSON.stringify(message))) this.#unkept.delete(message.id)
    else this.#unkept.add(message.id)
  }

  #stored(): readonly UnsentMessage[] {
    return inOrderOfWriting(this.#storage.values(this.#prefix).flatMap(parse))
  }
}

/** A message that no longer belongs where it was written. */
export function unsentFrom(message: ChatMessage): Omit<UnsentMessage, 'place'> {
  const { id, at, text, replyTo, mentions, anchor, attachments } = message
  return {
    id,
    at,
    text,
    attempts: 0,
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(mentions === undefined ? {} : { mentions }),
    ...(anchor === undefined ? {} : { anchor }),
    ...(attachments === undefined ? {} : { attachments }),
  }
}

/** An unsent message as the room shows it, and as it is written into a document. */
export function messageFrom(
  { attempts: _attempts, place: _place, problem: _problem, writtenIn: _writtenIn, ...message }: UnsentMessage,
  author: string,
): ChatMessage {
  return { ...message, author }
}

function inOrderOfWriting(messages: readonly UnsentMessage[]): readonly UnsentMessage[] {
  return messages.toSorted((one, other) => one.at - other.at || one.place - other.place)
}

function parse(text: string): UnsentMessage[] {
  try {
    const value: unknown = JSON.parse(text)
    return isUnsent(value) ? [value] : []
  } catch {
    return [] // damaged: nobody else writes here, so there is nothing to save
  }
}

function isUnsent(value: unknown): value is UnsentMessage {
  if (typeof value !== 'object' || value === null) return false
  const { id, text, at, place, attempts } = value as Partial<Record<string, unknown>>
  return typeof id === 'string' && typeof text === 'string' && [at, place, attempts].every(Number.isFinite)
}
