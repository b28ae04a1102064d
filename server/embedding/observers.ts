import type { Logger } from 'pino'
import type { ChatMessage } from '../../model/chat.ts'
import { roomOf } from '../../model/rooms.ts'
import type { NewUpdate } from '../../persistence/update-log.ts'
import { BoundedCalls } from '../access/bounded-calls.ts'

/** A committed change of a free-form document. */
export interface DocumentUpdate {
  readonly document: string
  /** Its place in the document's log. */
  readonly position: number
  /** When it was taken, ms since 1970. */
  readonly at: number
  /** The user; '' for the server itself. */
  readonly author: string
  /** A Yjs update. */
  readonly update: Uint8Array
}

/** A chat message that was posted, or changed: edited, deleted, reacted to. */
export interface MessageChange {
  /** `chat/<document>` or `dm/<user>,<user>`. */
  readonly room: string
  readonly isNew: boolean
  /** As it is now. */
  readonly message: ChatMessage
}

export interface ObserverHooks {
  /** Called after the commit, on the instance that committed it, in the order of the log within a document. */
  readonly onUpdate?: ((update: DocumentUpdate) => unknown) | undefined
  /** Called after the commit, on the instance that committed it, in the order of the room. */
  readonly onMessage?: ((change: MessageChange) => unknown) | undefined
}

/** What may wait for hooks that are slower than edits come. */
const MAX_WAITING = 10_000
const MAX_WAITING_BYTES = 64 * 1024 * 1024
/** How long a hook may take before the next one is called. */
const TIMEOUT_MS = 10_000
/** How long what waits has when the server stops. */
const CLOSING_MS = 2_000

interface Call {
  readonly run: () => unknown
  readonly bytes: number
}

/**
 * Calls hooks about what was committed, one after the other, and beside the way of an edit: one that fails is logged, and
 * when too much waits, what comes is not told.
 */
export class Observers {
  readonly #hooks: ObserverHooks
  readonly #logger: Logger
  readonly #calls = new BoundedCalls(1, TIMEOUT_MS)
  #waiting: Call[] = []
  #bytes = 0
  #missed = 0
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(hooks: ObserverHooks, logger: Logger) {
    this.#hooks = hooks
    this.#logger = logger
  }

  /** A batch is in the log, each update at its position: 0 for one that was left out. */
  committed(batch: readonly NewUpdate[], positions: readonly number[]): void {
    const { onUpdate, onMessage } = this.#hooks
    if (onUpdate === undefined && onMessage === undefined) return
    for (const [index, update] of batch.entries()) {
      const position = positions[index] ?? 0
      if (position === 0) continue
      if (onUpdate !== undefined) this.#tellUpdate(onUpdate, update, position)
      if (onMessage !== undefined) this.#tellMessages(onMessage, update)
    }
  }

  /** Takes nothing more. Resolves once all hooks were called, or a moment later. */
  async close(): Promise<void> {
    this.#isClosed = true
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSING_MS)
    })
    await Promise.race([this.#running, tooLong])
    clearTimeout(timer)
    this.#missed += this.#waiting.length
    this.#waiting = []
    this.#reportMissed()
  }

  #tellUpdate(onUpdate: NonNullable<ObserverHooks['onUpdate']>, update: NewUpdate, position: number): void {
    const { document, at, author, data } = update
    if (isRoom(document)) return
    // A view would keep all that came with it.
    const copy = Uint8Array.from(data)
    this.#push({ run: () => onUpdate({ document, position, at, author, update: copy }), bytes: data.length })
  }

  #tellMessages(onMessage: NonNullable<ObserverHooks['onMessage']>, { messages = [], expects }: NewUpdate): void {
    // Only who gives a message its place expects the room to end where it comes.
    const isNew = expects !== undefined && 'room' in expects
    for (const { room, json } of messages) {
      const kind = roomOf(room)?.kind
      if (kind !== 'chat' && kind !== 'dm') continue
      this.#push({ run: () => onMessage({ room, isNew, message: JSON.parse(json) }), bytes: json.length })
    }
  }

  #push(call: Call): void {
    if (this.#isClosed || this.#waiting.length >= MAX_WAITING || this.#bytes + call.bytes > MAX_WAITING_BYTES) {
      this.#missed += 1
      return
    }
    this.#waiting.push(call)
    this.#bytes += call.bytes
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#calls.run(next.run)
      } catch (error) {
        this.#logger.error({ error }, 'a hook has failed')
      }
      this.#bytes -= next.bytes
    }
    this.#reportMissed()
  }

  #reportMissed(): void {
    if (this.#missed === 0) return
    this.#logger.warn({ missed: this.#missed }, 'hooks are too slow: some of what happened was not told')
    this.#missed = 0
  }
}

/** A name of older rules is that of no document that anybody can open. */
function isRoom(document: string): boolean {
  try {
    return roomOf(document) !== undefined
  } catch {
    return true
  }
}
