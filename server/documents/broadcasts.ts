import { type Address, awarenessFrame, type Frame, SyncType, syncFrame } from '../connection/frames.ts'
import type { Subscriber, Subscribers } from './subscribers.ts'

/** From so many on, telling them takes long enough to be measured against the rest of the loop. */
const CROWD = 32
/** Telling a crowd is followed by so many times its length, in which what comes is gathered: a tenth of a core at most. */
const REST = 10
const LONGEST_WINDOW_MS = 25
/** A single message of so much needs no company. */
const MAX_WAITING_BYTES = 256 * 1024
/** From so many on, presence is told together every so often: nobody sees a caret move better than that, nor in 100 ms. */
const PRESENCE_CROWD = 100
const PRESENCE_WINDOW_MS = { shortest: 50, longest: 100 } as const
/** Telling a crowd of presence is followed by so many times its length, edits having the rest. */
const PRESENCE_REST = 10

export interface BroadcastsOptions {
  readonly subscribers: Subscribers
  /** How many updates were taken so far, over all documents: what is told now must not leave before they are committed. */
  readonly appended: () => number
  /** How long writing to so many sockets takes, as far as is known, ms. */
  readonly writingMs: (sockets: number) => number
  /** The presence of some Yjs clients, or undefined for nothing. */
  readonly presenceOf: (clients: ReadonlySet<number>) => Uint8Array | undefined
}

/** An update that is to be told. */
interface News {
  readonly sender: Subscriber | undefined
  readonly update: Uint8Array
  readonly after: number
  /** On the clock of `performance`. */
  readonly since: number
}

/**
 * Tells everybody who has a document open what happens there. A few are told at once. A crowd is told at once, too, unless it
 * was told just before: then what comes is gathered for some milliseconds, and goes out in one write to each. Presence is
 * gathered for longer, the newest of each, and never overtakes edits.
 */
export class Broadcasts {
  readonly #options: BroadcastsOptions
  #news: News[] = []
  #newsBytes = 0
  #newsTimer: NodeJS.Timeout | undefined
  /** Until then a crowd is left alone, on the clock of `performance`. */
  #restsUntil = 0
  readonly #present = new Set<number>()
  #presenceTimer: NodeJS.Timeout | undefined
  /** On the clock of `performance`. */
  #toldPresenceAt = Number.NEGATIVE_INFINITY

  constructor(options: BroadcastsOptions) {
    this.#options = options
  }

  /** Tells of an update. One that is committed reveals nothing else. Nobody hears of their own. */
  update(sender: Subscriber | undefined, update: Uint8Array, isCommitted: boolean): void {
    const { subscribers, appended } = this.#options
    const after = isCommitted ? 0 : appended()
    const now = performance.now()
    if (subscribers.size < CROWD && this.#news.length === 0) {
      const isSender = (subscriber: Subscriber) => subscriber === sender
      subscribers.send(isSender, (address) => syncFrame(address, SyncType.Update, update), after, now)
      return
    }
    this.#news.push({ sender, update, after, since: now })
    this.#newsBytes += update.length
    if (now >= this.#restsUntil || this.#newsBytes > MAX_WAITING_BYTES) this.#tellNews()
    else this.#newsTimer ??= setTimeout(this.#tellNews, this.#restsUntil - now)
  }

  /** Tells that `holder` changed what these clients show. */
  presence(holder: unknown, clients: readonly number[]): void {
    if (clients.length === 0) return
    if (this.#options.subscribers.size < PRESENCE_CROWD && this.#present.size === 0) {
      this.#tellPresence(holder, new Set(clients))
      return
    }
    for (const client of clients) this.#present.add(client)
    this.#presenceTimer ??= setTimeout(this.#tellPresent, this.#presenceWindowMs)
  }

  /** Tells nothing more: the document is gone, and what waits may never be committed. */
  close(): void {
    clearTimeout(this.#newsTimer)
    clearTimeout(this.#presenceTimer)
    this.#news = []
    this.#present.clear()
  }

  readonly #tellNews = (): void => {
    clearTimeout(this.#newsTimer)
    this.#newsTimer = undefined
    const news = this.#news
    this.#news = []
    this.#newsBytes = 0
    const [first] = news
    const { subscribers, writingMs } = this.#options
    if (first === undefined) return
    const { since } = first
    const senders = new Set(news.map(({ sender }) => sender))
    const after = Math.max(...news.map((told) => told.after))
    const isSender = (subscriber: Subscriber) => senders.has(subscriber)
    subscribers.send(isSender, (address) => framesOf(news, address), after, since)
    for (const sender of senders) {
      const others = news.filter((told) => told.sender !== sender)
      if (sender !== undefined && others.length > 0 && subscribers.all.has(sender)) {
        sender.send({ frame: framesOf(others, sender.address), after, requested: false, since })
      }
    }
    // What is written together costs one write.
    if (performance.now() > this.#toldPresenceAt + this.#presenceWindowMs / 2) this.#tellPresent()
    const restMs = Math.min(LONGEST_WINDOW_MS, REST * writingMs(subscribers.size))
    this.#restsUntil = performance.now() + restMs
  }

  get #presenceWindowMs(): number {
    const { subscribers, writingMs } = this.#options
    const { shortest, longest } = PRESENCE_WINDOW_MS
    return Math.min(longest, Math.max(shortest, PRESENCE_REST * writingMs(subscribers.size)))
  }

  readonly #tellPresent = (): void => {
    clearTimeout(this.#presenceTimer)
    this.#presenceTimer = undefined
    if (this.#present.size === 0) return
    this.#toldPresenceAt = performance.now()
    const clients = new Set(this.#present)
    this.#present.clear()
    this.#tellPresence(undefined, clients)
  }

  #tellPresence(holder: unknown, clients: ReadonlySet<number>): void {
    const { subscribers, appended, presenceOf } = this.#options
    if (subscribers.size === 0) return
    const states = presenceOf(clients)
    if (states === undefined) return
    this.#tellNews()
    const isLeftOut = (subscriber: Subscriber) => subscriber === holder || subscriber.isBehind === true
    subscribers.send(isLeftOut, (address) => awarenessFrame(address, states), appended(), performance.now())
  }
}

/** The frames of some updates in one piece. */
function framesOf(news: readonly News[], address: Address): Frame {
  return Buffer.concat(news.map(({ update }) => syncFrame(address, SyncType.Update, update)))
}
