import { randomUUID } from 'node:crypto'
import type { StoredEvent } from '../../persistence/event-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import { Background, sleep } from '../events/background.ts'
import type { EventBus } from '../events/event-bus.ts'
import { HELD, type HeldNotice } from '../events/notification-events.ts'
import { excerptOf } from './notices.ts'
import type { Notice, Notifications } from './notifications.ts'
import { isDamage } from './room-people.ts'

/** By which instances agree who does it, and how soon another one goes on after a crash. */
const NAME = 'coweave.notifications'
const LEASE_MS = 8_000
const RENEW_MS = 2_000
const RETRY_MS = 1_000
const PAGE_EVENTS = 100
/** Kept in memory; the rest waits in the log until some of them are told. */
const MAX_HELD = 10_000
/** Worked on at once, each with one question at a time: the product has others to answer. */
const MAX_RUNNING = 10
/** How long after it has not answered it is asked again: longer each time. */
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 10 * 60_000

export interface HeldNotificationsOptions {
  readonly log: Pick<UpdateLog, 'events' | 'messages'>
  readonly bus: EventBus
  readonly access: Pick<Access, 'mayBeTold'>
  readonly notifications: Pick<Notifications, 'deliver'>
  readonly onProblem: (error: unknown) => void
}

interface Held {
  readonly event: StoredEvent
  /** Of whom it is not known yet, or who could not be told. */
  users: readonly string[]
  attempts: number
  timer: NodeJS.Timeout | undefined
}

/**
 * Notifications of what happened in documents, where a product decides who may read those: they wait in the log, where they
 * were stored with what they tell of, until the product was asked about each who is to be told. One instance at a time does
 * that. What is not answered is asked again, and keeps no other waiting; after a crash all of it is, and nobody is told
 * twice. The text is read from the message when it is told: of one that was deleted meanwhile nothing is.
 */
export class HeldNotifications extends Background {
  readonly #options: HeldNotificationsOptions
  readonly #owner = randomUUID()
  readonly #held = new Map<number, Held>()
  readonly #due: Held[] = []
  readonly #running = new Set<Promise<void>>()
  #seen = 0
  /** On the clock of `performance`. */
  #claimedAt = Number.NEGATIVE_INFINITY
  #isOurs = false

  constructor(options: HeldNotificationsOptions) {
    super()
    this.#options = options
  }

  protected override async run(stopping: AbortSignal): Promise<void> {
    const { bus, log, onProblem } = this.#options
    while (!stopping.aborted && !bus.isClosed) {
      const { version } = bus
      try {
        await this.#claim()
        if (this.#isOurs) await this.#readNew()
        await bus.next(version, RENEW_MS, stopping)
      } catch (error) {
        onProblem(error)
        await sleep(RETRY_MS, stopping)
      }
    }
    this.#letGo()
    await Promise.all(this.#running)
    // If it can't be told, others wait until the lease is over.
    await log.events.release(NAME, this.#owner).catch(onProblem)
  }

  async #claim(): Promise<void> {
    if (this.#isOurs && performance.now() - this.#claimedAt < RENEW_MS) return
    const at = performance.now()
    const claimed = await this.#options.log.events.claim(NAME, { owner: this.#owner, forMs: LEASE_MS })
    this.#claimedAt = at
    if (claimed === undefined) this.#letGo()
    this.#isOurs = claimed !== undefined
  }

  /** Leaves all to who has it now, which reads it from the log. */
  #letGo(): void {
    this.#isOurs = false
    for (const { timer } of this.#held.values()) clearTimeout(timer)
    this.#held.clear()
    this.#due.length = 0
    this.#seen = 0
  }

  async #readNew(): Promise<void> {
    const { events } = this.#options.log
    while (this.#held.size < MAX_HELD) {
      const page = await events.read({ after: this.#seen, limit: PAGE_EVENTS, kind: HELD })
      if (page.length === 0 || !this.#isOurs) return
      for (const event of page) {
        const held = { event, users: event.users, attempts: 0, timer: undefined }
        this.#held.set(event.number, held)
        this.#seen = event.number
        this.#due.push(held)
      }
      this.#begin()
    }
  }

  #begin(): void {
    while (this.#running.size < MAX_RUNNING) {
      const held = this.#due.shift()
      if (held === undefined) return
      const attempt = this.#attempt(held).finally(() => {
        this.#running.delete(attempt)
        this.#begin()
      })
      this.#running.add(attempt)
    }
  }

  async #attempt(held: Held): Promise<void> {
    const { event } = held
    held.attempts += 1
    try {
      // It may be gone with whom it concerns, or since it is too old.
      if (held.attempts === 1 || (await this.#isStored(event))) await this.#tell(held)
      else held.users = []
      if (held.users.length === 0) {
        await this.#options.log.events.remove([event.number])
        this.#held.delete(event.number)
        return
      }
    } catch (error) {
      this.#options.onProblem(error)
    }
    if (this.#held.get(event.number) !== held) return
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (held.attempts - 1), LONGEST_WAIT_MS)
    held.timer = setTimeout(() => {
      this.#due.push(held)
      this.#begin()
    }, waitMs).unref()
  }

  async #isStored({ number }: StoredEvent): Promise<boolean> {
    const [found] = await this.#options.log.events.read({ after: number - 1, limit: 1, kind: HELD })
    return found?.number === number
  }

  /** Leaves those in `users` who may have to be told later. */
  async #tell(held: Held): Promise<void> {
    const { access, notifications } = this.#options
    const { document } = held.event
    const [told, later]: [string[], string[]] = [[], []]
    for (const user of held.users) {
      try {
        if (await access.mayBeTold(user, document)) told.push(user)
      } catch {
        later.push(user) // it was logged where it was asked
      }
    }
    // Another instance may have begun with it, or this one stops.
    if (this.#held.get(held.event.number) !== held) return
    const notice = told.length === 0 ? undefined : await this.#noticeOf(held.event)
    if (notice !== undefined) await notifications.deliver(told, notice)
    held.users = later
  }

  /** As it is now; undefined for one of a message that is gone. @throws {StorageError} */
  async #noticeOf({ document, json }: StoredEvent): Promise<(Notice & { readonly id: string }) | undefined> {
    const { message, ...notice }: HeldNotice = JSON.parse(json)
    if (message === undefined) return { ...notice, body: '' }
    try {
      const stored = await this.#options.log.messages.find(document, message)
      if (stored === undefined) return undefined
      const { text, deletedAt }: Readonly<Record<string, unknown>> = JSON.parse(stored.json)
      return deletedAt === undefined ? { ...notice, body: excerptOf(String(text)) } : undefined
    } catch (error) {
      if (!isDamage(error)) throw error
      // It stays as it is however often it is read.
      this.#options.onProblem(error)
      return undefined
    }
  }
}
