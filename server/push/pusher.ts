import { setImmediate } from 'node:timers/promises'
import type { Logger } from 'pino'
import { roomOf } from '../../model/rooms.ts'
import type { ClaimedPush, PushOutcome, PushStore, WaitingRoom } from '../../persistence/push-store.ts'
import { sleep } from '../events/background.ts'
import { Dispatcher } from '../events/dispatcher.ts'
import { payloadOf } from './payload.ts'
import { type Answer, type PushServiceOptions, sendPush } from './push-service.ts'

/** Pushes under way at once. */
const MAX_IN_FLIGHT = 50
/** After that nobody is told any more: who comes then looks into the inbox. */
const LIFETIME_MS = 3 * 24 * 60 * 60 * 1000
const MAX_ATTEMPTS = 12
const FIRST_RETRY_MS = 5_000
const LONGEST_RETRY_MS = 60 * 60 * 1000
const LONGEST_POLL_MS = 1_000

const UNKNOWN: Answer = { kind: 'later', afterMs: undefined, problem: 'it is not known whether it may be told' }

export interface PusherOptions extends PushServiceOptions {
  readonly pushes: PushStore
  /** How long a push waits for its person to be there, as it was stored with it. */
  readonly delayMs: number
  /**
   * Those of `users` of whom a connection to this instance was heard of since then, ms since 1970. The others' connections
   * are asked for a sign of life.
   */
  readonly present: (users: ReadonlySet<string>, since: number) => ReadonlySet<string>
  /** Whether a user may still be told of what happened in a document. Rejects where that is not known now. */
  readonly mayBeTold: (user: string, document: string) => Promise<boolean>
  readonly logger: Logger
}

export interface PushCounts {
  sent: number
  /** Given up: refused, or tried for too long. */
  failed: number
  /** Subscriptions that their push service did not know any more. */
  dropped: number
}

/**
 * Pushes what was stored with notifications, after the delay that was stored with it. Meanwhile each instance takes away
 * the pushes of people who are connected to it: nobody needs to know who is connected where, and when in doubt a push is
 * sent. A push is claimed before it is sent, so that one instance sends it, and another one where that crashed.
 */
export class Pusher extends Dispatcher<Partial<PushOutcome>> {
  readonly counts: PushCounts = { sent: 0, failed: 0, dropped: 0 }
  readonly #options: PusherOptions
  readonly #pollMs: number

  constructor(options: PusherOptions) {
    super()
    this.#options = options
    this.#pollMs = Math.min(options.delayMs / 4, LONGEST_POLL_MS)
  }

  protected override async run(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      let isMore = false
      try {
        isMore = (await this.#spare()) && (await this.#claim())
      } catch (error) {
        this.#options.logger.warn({ error }, 'pushes can not be read or written now')
      }
      if (!isMore) await sleep(this.#pollMs, stopping)
      else if (this.#room() < MAX_IN_FLIGHT / 2) await Promise.race([...this.underWay, sleep(this.#pollMs, stopping)])
    }
  }

  protected override write(outcomes: readonly Partial<PushOutcome>[]): Promise<void> {
    return this.#options.pushes.settle({
      done: outcomes.flatMap(({ done = [] }) => done),
      again: outcomes.flatMap(({ again = [] }) => again),
      gone: outcomes.flatMap(({ gone = [] }) => gone),
    })
  }

  /** Takes away what waits for people who are here. Returns whether anything is due. */
  async #spare(): Promise<boolean> {
    const { pushes, delayMs } = this.#options
    const now = Date.now()
    const { isDue, waiting } = await pushes.upcoming({ now, until: now + delayMs })
    const here = this.#present(waiting)
    if (here.length > 0) await pushes.cancel(here)
    return isDue
  }

  /** Returns whether there may be more. */
  async #claim(): Promise<boolean> {
    const limit = this.#room()
    if (limit === 0) return true
    const { pushes, timeoutMs } = this.#options
    const now = Date.now()
    const claimed = await pushes.claim({ now, until: now + 2 * timeoutMs, limit })
    const here = new Set(this.#present(claimed).map(({ room }) => room))
    for (const push of claimed) {
      this.begin(this.#send(push, here.has(push.room)))
      // Encrypting one takes about a millisecond: nobody's edits wait for fifty of them.
      await setImmediate()
    }
    return claimed.length === limit
  }

  #room(): number {
    return MAX_IN_FLIGHT - this.underWay.size
  }

  /** Those of the rooms whose people are here. */
  #present<T extends WaitingRoom>(rooms: readonly T[]): T[] {
    if (rooms.length === 0) return []
    const users = new Set(rooms.map(({ room }) => userOf(room)))
    const present = this.#options.present(users, Date.now() - 2 * this.#pollMs)
    return rooms.filter(({ room }) => present.has(userOf(room)))
  }

  async #send(push: ClaimedPush, isHere: boolean): Promise<void> {
    try {
      await this.#push(push, isHere)
    } catch (error) {
      // It is claimed again, and sent once more.
      this.#options.logger.warn({ error }, 'it could not be written down what became of a push')
    }
  }

  async #push({ id, room, at, attempts, content }: ClaimedPush, isHere: boolean): Promise<void> {
    const ttlS = Math.floor((at + LIFETIME_MS - Date.now()) / 1000)
    const payload = content && payloadOf(content.json)
    if (content === undefined || isHere || payload === undefined || ttlS <= 0) {
      if (content === undefined || ttlS <= 0) this.counts.failed += 1
      await this.settle({ done: [id] })
      return
    }
    const { subscription, json } = content
    const { id: topic, document }: Readonly<Record<string, unknown>> = JSON.parse(json)
    const mayBeTold = await this.#mayBeTold(room, document)
    if (mayBeTold === false) {
      await this.settle({ done: [id] })
      return
    }
    const push = { subscription, payload, ttlS, topic: String(topic) }
    const answer = mayBeTold === undefined ? UNKNOWN : await sendPush(push, this.#options, this.cutOff)
    await this.settle(this.#outcomeOf({ id, attempts, subscription: content.id }, answer))
  }

  /** Undefined where that is not known now. */
  async #mayBeTold(room: string, document: unknown): Promise<boolean | undefined> {
    if (typeof document !== 'string') return true
    try {
      return await this.#options.mayBeTold(userOf(room), document)
    } catch {
      return undefined // it was logged where it was asked
    }
  }

  #outcomeOf(
    { id, attempts, subscription }: { readonly id: number; readonly attempts: number; readonly subscription: string },
    answer: Answer,
  ): Partial<PushOutcome> {
    switch (answer.kind) {
      case 'sent':
        this.counts.sent += 1
        return { done: [id] }
      case 'gone':
        this.counts.dropped += 1
        return { gone: [subscription] }
      case 'later': {
        if (this.cutOff.aborted) return { again: [{ id, dueAt: Date.now() }] }
        if (attempts < MAX_ATTEMPTS) return { again: [{ id, dueAt: Date.now() + waitMs(attempts, answer.afterMs) }] }
        break
      }
    }
    this.counts.failed += 1
    this.#options.logger.warn({ problem: answer.problem, attempts }, 'a push was given up')
    return { done: [id] }
  }
}

/** As long as the push service says, or longer each time, and not all at once. */
function waitMs(attempts: number, saidMs: number | undefined): number {
  const backOffMs = FIRST_RETRY_MS * 2 ** (attempts - 1) * (0.75 + Math.random() / 4)
  return Math.min(saidMs ?? backOffMs, LONGEST_RETRY_MS)
}

/** Whose inbox it is; '' for any other room. */
function userOf(room: string): string {
  const found = room === '' ? undefined : roomOf(room)
  return found?.kind === 'inbox' ? found.user : ''
}
