import * as random from 'lib0/random'
import * as Y from 'yjs'
import { messagesOf } from '../../model/chat.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Durability } from '../documents/durability.ts'
import { type CommittedUpdate, SERVER } from '../documents/open-document.ts'
import { messageCreated } from '../events/message-events.ts'
import type { MessageNotifications } from '../inbox/message-notifications.ts'
import { heldEvent, type Notifications } from '../inbox/notifications.ts'
import { Alarm, someDelayMs } from './alarm.ts'
import { idOf, type Segment } from './segment.ts'
import { stampsFor } from './stamps.ts'

/** How long messages of this instance wait for another one that stamps the room, at least and at most. */
const DEFER_MS = [250, 500] as const
/** How long messages of others wait for who took them. */
const TAKE_OVER_MS = [2_000, 4_000] as const
const RETRY_MS = [1_000, 1_000] as const

/** An open segment of a room. */
export interface StampedSegment {
  readonly name: string
  readonly number: number
  readonly document: Y.Doc
  readonly rules: Segment
  /** Takes stamps, once they are committed. */
  readonly take: (row: CommittedUpdate) => void
  /** Reads what others have committed; resolves once the document has all that is committed now. */
  readonly catchUp: () => Promise<void>
}

export interface StamperOptions {
  readonly room: string
  readonly log: UpdateLog
  readonly durability: Durability
  /** Whom messages notify, which is stored with their stamps. */
  readonly notices: MessageNotifications
  readonly notifications: Pick<Notifications, 'addWithCause'>
  /** Whether a product is asked about whom they are for before they are told: then they are stored to be told later. */
  readonly asksFirst: boolean
  readonly onProblem: (error: unknown) => void
}

type Unstamped = readonly (readonly [StampedSegment, readonly Y.Map<unknown>[]])[]

/** Stamps of one segment on their way into the log. */
interface Attempt {
  readonly segment: StampedSegment
  readonly messages: readonly Y.Map<unknown>[]
  readonly row: Omit<CommittedUpdate, 'position'>
  /** 0 once the log has left it out, undefined once it was given up. */
  position: number | undefined
}

/**
 * Gives the messages of one room their places, segment by segment. Several instances may do it at the same time: stamps
 * say after which `seq` they come, and the log takes them only if that is still the last one and it has no message of
 * these ids. So stamps are applied, and shown, only once they are committed.
 *
 * Whoever stamped last goes on, and the others leave it to that one for a while. That is a courtesy, which saves
 * attempts: nothing depends on it, on clocks, or on anybody being alive.
 */
export class Stamper {
  readonly #options: StamperOptions
  readonly #segments = new Map<Y.Doc, StampedSegment>()
  /** The Yjs client id that stamps of a segment are written with: nothing else is. */
  readonly #clients = new WeakMap<Y.Doc, number>()
  /** The last `seq` in the archive; undefined when others may have given some. */
  #lastSeq: number | undefined
  /** Whether another instance was the last to stamp. */
  #isElsewhere = false
  #isBusy = false
  #isWanted = false
  #waiting: PromiseWithResolvers<void>[] = []
  /** So many of those who wait, the first, wait for messages of which it is known whom they notify. */
  #ready = 0
  readonly #alarm = new Alarm(() => this.#soon())

  constructor(options: StamperOptions) {
    this.#options = options
  }

  get isIdle(): boolean {
    return this.#segments.size === 0
  }

  /** Whether another instance was the last to stamp, and so does what is done once in the room. */
  get isElsewhere(): boolean {
    return this.#isElsewhere
  }

  add(segment: StampedSegment): void {
    this.#segments.set(segment.document, segment)
    this.#soon()
  }

  remove(document: Y.Doc): void {
    this.#segments.delete(document)
    if (this.isIdle) this.#alarm.clear()
  }

  /** Messages came from a client of this instance. */
  changed(): void {
    if (this.#isElsewhere) this.#later(DEFER_MS)
    else this.#soon()
  }

  /** A row of `author` came from another instance. */
  followed(author: string): void {
    this.#lastSeq = undefined
    if (author === SERVER) this.#isElsewhere = true
    if (this.#isElsewhere) this.#later(TAKE_OVER_MS)
    else this.#soon()
  }

  /**
   * Stamps the messages that are there now. Resolves once that is committed, here or elsewhere.
   * @throws {StorageError}
   */
  stamp(): Promise<void> {
    const waiting = Promise.withResolvers<void>()
    this.#waiting.push(waiting)
    this.#soon()
    return waiting.promise
  }

  /** After what else happens in this turn, so that it goes into one update. */
  #soon(): void {
    if (this.#isWanted) return
    this.#isWanted = true
    queueMicrotask(() => this.#start())
  }

  #later(range: readonly [number, number]): void {
    if (!this.isIdle) this.#alarm.set(someDelayMs(range))
  }

  #start(): void {
    if (this.#isBusy || !this.#isWanted) return
    this.#isWanted = false
    const unstamped = this.#unstamped()
    const known = this.#known(unstamped)
    if (unstamped.length === 0) this.#resolve(this.#takeWaiting())
    else if (known.length === 0) void this.#whileBusy(() => this.#lookUp(unstamped))
    else if (this.#lastSeq === undefined) void this.#whileBusy(() => this.#readLastSeq())
    else if (known === unstamped) this.#stamp(known, this.#lastSeq, this.#waiting.length)
    else {
      // The rest comes next.
      this.#isWanted = true
      this.#stamp(known, this.#lastSeq, this.#ready)
    }
  }

  /** Lowest segment first: places are given in the order of segments. Of two messages with the same id, the first. */
  #unstamped(): Unstamped {
    const ids = new Set<string>()
    const isNew = (message: Y.Map<unknown>) => {
      const isFirst = !ids.has(idOf(message))
      if (isFirst) ids.add(idOf(message))
      else this.#isWanted = true
      return isFirst
    }
    return [...this.#segments.values()]
      .sort((one, other) => one.number - other.number)
      .map((segment) => [segment, segment.rules.unstamped(segment.document).filter(isNew)] as const)
      .filter(([, messages]) => messages.length > 0)
  }

  /** In their order, those before the first one of which it is not known whom it notifies; the same if there is none. */
  #known(unstamped: Unstamped): Unstamped {
    const isUnknown = (message: Y.Map<unknown>) => this.#options.notices.isUnknown(message)
    const cut = unstamped.findIndex(([, messages]) => messages.some(isUnknown))
    const [segment, messages] = unstamped[cut] ?? []
    if (segment === undefined || messages === undefined) return unstamped
    const first = messages.slice(0, messages.findIndex(isUnknown))
    return [...unstamped.slice(0, cut), ...(first.length === 0 ? [] : [[segment, first] as const])]
  }

  async #lookUp(unstamped: Unstamped): Promise<void> {
    const { notices } = this.#options
    const waiting = this.#waiting.length
    const unknown = unstamped.flatMap(([, messages]) => messages.filter((message) => notices.isUnknown(message)))
    await notices.lookUp(unknown, this.#openMessages())
    this.#ready = waiting
  }

  #openMessages(): Map<number, Y.Array<Y.Map<unknown>>> {
    return new Map(Array.from(this.#segments.values(), ({ number, document }) => [number, messagesOf(document)]))
  }

  async #readLastSeq(): Promise<void> {
    const { log, room } = this.#options
    const [last] = await log.messages.list(room, { limit: 1 })
    this.#lastSeq = last?.seq ?? 0
  }

  /**
   * In one batch, and without a promise: so what is stamped next is in the batch right after it. It is what the first
   * `count` of those who wait do so for.
   */
  #stamp(unstamped: Unstamped, after: number, count: number): void {
    this.#isBusy = true
    const waiting = this.#takeWaiting(count)
    const attempts: Attempt[] = []
    let lastSeq = after
    let underWay = unstamped.length
    const onSettled = () => {
      underWay -= 1
      if (underWay === 0) this.#stamped(attempts, waiting)
    }
    for (const [segment, messages] of unstamped) {
      attempts.push(this.#attempt(segment, messages, lastSeq, onSettled))
      lastSeq += messages.length
    }
  }

  #attempt(
    segment: StampedSegment,
    messages: readonly Y.Map<unknown>[],
    lastSeq: number,
    onSettled: () => void,
  ): Attempt {
    const { durability, room, notices, notifications, asksFirst } = this.#options
    const { name, document } = segment
    const client = this.#clientFor(document)
    const at = Date.now()
    const stamps = stampsFor(document, messages, { room, client, firstSeq: lastSeq + 1, receivedAt: at })
    const isFirst = Y.getState(document.store, client) === 0
    const row = { author: SERVER, clients: isFirst ? [client] : [], data: stamps.update }
    const attempt: Attempt = { segment, messages, row, position: undefined }
    const caused = messages.flatMap((message) => notices.of(message))
    const held = asksFirst ? caused.map((each) => heldEvent(each, room, at)) : []
    const events = [...stamps.messages.map((message) => messageCreated(message, at)), ...held]
    const update = { document: name, at, ...row, messages: stamps.messages, expects: { room, lastSeq }, events }
    durability.append(update, (position) => {
      attempt.position = position
      onSettled()
    })
    if (!asksFirst) notifications.addWithCause(caused, () => Boolean(attempt.position))
    return attempt
  }

  #clientFor(document: Y.Doc): number {
    const client = this.#clients.get(document) ?? random.uint32()
    this.#clients.set(document, client)
    return client
  }

  #stamped(attempts: readonly Attempt[], waiting: readonly PromiseWithResolvers<void>[]): void {
    for (const attempt of attempts) this.#apply(attempt)
    this.#isBusy = false
    const lost = attempts.filter(({ position }) => position === 0)
    if (attempts.some(({ position }) => position === undefined)) {
      this.#lastSeq = undefined
      for (const { reject } of waiting) reject(unavailable())
    } else if (lost.length > 0) {
      this.#waiting.push(...waiting)
      void this.#whileBusy(() => this.#giveWay(lost))
    } else {
      this.#resolve(waiting)
    }
    this.#start()
  }

  #apply({ segment, messages, row, position }: Attempt): void {
    if (!position) return
    this.#isElsewhere = false
    if (this.#lastSeq !== undefined) this.#lastSeq += messages.length
    if (!this.#segments.has(segment.document)) return
    segment.take({ ...row, position })
    segment.rules.countStamped(messages.length)
  }

  /** Others were faster, or there are messages whose id the room has already: these are removed. */
  async #giveWay(lost: readonly Attempt[]): Promise<void> {
    const { log, room } = this.#options
    this.#lastSeq = undefined
    const known = await log.messages.known(
      room,
      lost.flatMap(({ messages }) => messages.map(idOf)),
    )
    // After that was asked: then whichever of them is known and still has no stamp has only the same id.
    await Promise.all(lost.map(({ segment }) => segment.catchUp()))
    for (const { segment, messages } of lost) {
      if (this.#segments.has(segment.document)) segment.rules.removeRepeated(segment.document, messages, known)
    }
  }

  async #whileBusy(work: () => Promise<void>): Promise<void> {
    this.#isBusy = true
    try {
      await work()
      this.#isWanted = true
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#options.onProblem(error)
      for (const { reject } of this.#takeWaiting()) reject(error)
      this.#later(RETRY_MS)
    } finally {
      this.#isBusy = false
      this.#start()
    }
  }

  #takeWaiting(count = this.#waiting.length): PromiseWithResolvers<void>[] {
    this.#ready = 0
    return this.#waiting.splice(0, count)
  }

  #resolve(waiting: readonly PromiseWithResolvers<void>[]): void {
    for (const { resolve } of waiting) resolve()
  }
}

function unavailable(): StorageError {
  return new StorageError('storage/unavailable', 'the messages could not be stamped now')
}
