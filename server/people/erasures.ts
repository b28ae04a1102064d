import { createHash, randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { StoredErasure } from '../../persistence/people-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { DirectChats, type DirectChatsOptions } from './direct-chats.ts'
import { Erasure, type Progress, progressOf } from './erasure.ts'
import { noCounts } from './receipt.ts'
import { RoomEraser, type RoomEraserOptions } from './room-eraser.ts'

/** How often an instance looks for erasures that others were asked for, or have left. */
const POLL_MS = 2_000
/** So long after an instance crashed, another one goes on. */
const LEASE_MS = 6_000
const RENEW_MS = 2_000
const RETRY_MS = 10_000
/** What instances agree by on who works; see EventStore.claim(). */
const CONSUMER = 'coweave.erasures'

export interface ErasuresOptions extends RoomEraserOptions, DirectChatsOptions {
  readonly log: UpdateLog
  readonly logger: Logger
  /** Whoever is connected here. */
  readonly users: () => Iterable<string>
  /** Erasing a user has begun, on any instance: they are sent away. */
  readonly onErased: (user: string) => void
}

/**
 * Erases people, one at a time, on one instance at a time. What was asked for is stored, and so is how far it has come:
 * after a crash any instance goes on. All instances notice each erasure, and send the person away.
 */
export class Erasures {
  readonly #options: ErasuresOptions
  readonly #owner = randomUUID()
  readonly #rooms: RoomEraser
  readonly #directChats: DirectChats
  readonly #stopping = new AbortController()
  /** Erasures that were noticed here. */
  readonly #noticed = new Set<string>()
  #since = Date.now()
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> | undefined
  #retryAt = 0

  constructor(options: ErasuresOptions) {
    this.#options = options
    this.#rooms = new RoomEraser(options)
    this.#directChats = new DirectChats(options)
    this.#pollLater()
  }

  /** An erasure of this user that is not done. */
  async unfinished(user: string): Promise<StoredErasure | undefined> {
    const erasures = await this.#options.log.people.erasures(Date.now())
    return erasures.find((one) => !one.isDone && progressOf(one).person?.user === user)
  }

  /** Resolves once it is stored under `id` that a user is to be erased. */
  async begin(id: string, user: string, by: string): Promise<StoredErasure> {
    const progress: Progress = {
      by,
      digest: digestOf(id, user),
      person: { user, pseudonym: `erased-${randomUUID()}` },
      step: 0,
      after: '',
      counts: noCounts(),
      documents: [],
      documentCount: 0,
      failed: [],
    }
    const erasure = { id, at: Date.now(), isDone: false, json: JSON.stringify(progress) }
    await this.#options.log.people.saveErasure(erasure)
    this.#notice([erasure])
    this.#work()
    return erasure
  }

  /** An erasure of this user; undefined if it is another's. */
  async find(user: string, id: string): Promise<StoredErasure | undefined> {
    const found = await this.#options.log.people.erasure(id)
    return found && progressOf(found).digest === digestOf(id, user) ? found : undefined
  }

  /** Begins nothing more. What is under way ends when the log is closed, and goes on after the next start. */
  close(): void {
    this.#stopping.abort()
    clearTimeout(this.#timer)
  }

  #pollLater(): void {
    if (this.#stopping.signal.aborted) return
    this.#timer = setTimeout(() => void this.#poll().then(() => this.#pollLater()), POLL_MS).unref()
  }

  async #poll(): Promise<void> {
    try {
      const asOf = Date.now()
      // The clocks of instances differ.
      const erasures = await this.#options.log.people.erasures(this.#since - LEASE_MS)
      this.#since = asOf
      this.#notice(erasures)
      if (erasures.some(({ isDone }) => !isDone)) this.#work()
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      this.#options.logger.warn({ error }, 'whom to erase could not be read now')
    }
  }

  #notice(erasures: readonly StoredErasure[]): void {
    for (const erasure of erasures) {
      if (this.#noticed.has(erasure.id)) continue
      this.#noticed.add(erasure.id)
      const { digest, person } = progressOf(erasure)
      // One that is done already says no more who it was.
      const users = person === undefined ? new Set(this.#options.users()) : [person.user]
      for (const user of users) if (digestOf(erasure.id, user) === digest) this.#options.onErased(user)
    }
  }

  #work(): void {
    if (this.#working !== undefined || this.#stopping.signal.aborted || Date.now() < this.#retryAt) return
    this.#working = this.#workThrough().finally(() => {
      this.#working = undefined
    })
  }

  async #workThrough(): Promise<void> {
    const { log } = this.#options
    const isOurs = async () => (await log.events.claim(CONSUMER, { owner: this.#owner, forMs: LEASE_MS })) !== undefined
    const lost = new AbortController()
    let renewing: NodeJS.Timeout | undefined
    try {
      if (!(await isOurs())) return
      const renew = async () => {
        if (!(await isOurs())) lost.abort()
      }
      renewing = setInterval(() => void renew().catch((error) => this.#problem(error)), RENEW_MS)
      const signal = AbortSignal.any([this.#stopping.signal, lost.signal])
      const failed = new Set<string>()
      for (;;) {
        const open = await log.people.erasures(Number.MAX_SAFE_INTEGER)
        const next = open.find(({ id }) => !failed.has(id))
        if (next === undefined || signal.aborted) break
        // Another one is not kept waiting for what can't be done now.
        if (!(await this.#erase(next, signal))) failed.add(next.id)
      }
    } catch (error) {
      this.#failed(error)
    } finally {
      clearInterval(renewing)
      await log.events.release(CONSUMER, this.#owner).catch((error) => this.#problem(error))
    }
  }

  /** Resolves with whether it is done, or left to somebody else. */
  async #erase(erasure: StoredErasure, signal: AbortSignal): Promise<boolean> {
    const { log, deletions, logger } = this.#options
    const { id, at } = erasure
    const save = async (progress: Progress) => {
      await log.people.saveErasure({ id, at, isDone: progress.endedAt !== undefined, json: JSON.stringify(progress) })
    }
    const [rooms, directChats] = [this.#rooms, this.#directChats]
    try {
      await new Erasure(progressOf(erasure), { log, deletions, rooms, directChats, save, signal }).run()
    } catch (error) {
      const stored = signal.aborted ? undefined : await log.people.erasure(id)
      if (stored !== undefined) await save({ ...progressOf(stored), problem: String(error) })
      this.#failed(error)
      return false
    }
    if (!signal.aborted) logger.info({ erasure: id }, 'a person was erased')
    return true
  }

  #failed(error: unknown): void {
    this.#retryAt = Date.now() + RETRY_MS
    this.#problem(error)
  }

  #problem(error: unknown): void {
    if (this.#stopping.signal.aborted) return
    this.#options.logger.error({ error }, 'a person could not be erased now; it is tried again')
  }
}

/** Tells whose an erasure was to who knows that already. */
function digestOf(id: string, user: string): string {
  return createHash('sha256').update(`coweave.erasure:${id}:${user}`).digest('base64url')
}
