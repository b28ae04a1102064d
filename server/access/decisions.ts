import { CoweaveError } from '../../model/errors.ts'
import { BoundedCalls } from './bounded-calls.ts'
import { type Grant, type Level, levels, parseGrant } from './grants.ts'

/** Who asks for a document. */
export interface Asker {
  readonly user: string
  readonly name: string
  /** Whether the token opens the management API. */
  readonly admin: boolean
  /**
   * What the token's `access` grants; what a product makes of it is up to the product. Of somebody who is absent no token
   * is at hand: then it is `read`, since they have been there, as far as the server knows (docs/inbox.md).
   */
  readonly granted: Level | undefined
  /** Nobody asks for the document: this user is to be notified of what happened there. Their `name` is not known. */
  readonly isAbsent?: boolean
}

/**
 * What `asker` may do in `document`: a level, or nothing at all (undefined or null). It counts instead of the token's
 * grants. To throw, or to answer late, is to say "try again later".
 */
export type Authorize = (asker: Asker, document: string) => Level | undefined | null | Promise<Level | undefined | null>

/** Whose decisions to look up again, and for which documents; what is left out stands for all. */
export interface RecheckScope {
  readonly user?: string | undefined
  /** A name, or a pattern as in a token's `access`: `projects/7/**`. The chat beside a document goes with it. */
  readonly document?: string | undefined
}

export interface DecisionsOptions {
  readonly authorize: Authorize
  /** How long an answer counts, ms. */
  readonly timeMs: number
  /** How long an answer may take, ms. */
  readonly timeoutMs: number
  readonly onProblem: (error: unknown, document: string) => void
}

/** More calls than this do not run at once: the rest waits. */
const MAX_RUNNING = 100
/** More decisions than this are not kept; the oldest go first. */
const MAX_KEPT = 100_000
/** Of answers that did not come, one in so many ms is reported: a database that is away fails them all. */
const PROBLEM_INTERVAL_MS = 1_000

interface Decision {
  readonly user: string
  readonly document: string
  readonly level: Level | undefined
  /** When it was asked for, on the clock of `performance`. */
  readonly at: number
}

interface Asking {
  readonly user: string
  readonly document: string
  readonly answer: Promise<Level | undefined>
  isForgotten: boolean
}

/** What a product's `authorize` answered, for as long as it counts. */
export class Decisions {
  readonly #options: DecisionsOptions
  readonly #kept = new Map<string, Decision>()
  readonly #asking = new Map<string, Asking>()
  #reportedAt = Number.NEGATIVE_INFINITY
  readonly #calls: BoundedCalls

  constructor(options: DecisionsOptions) {
    this.#options = options
    this.#calls = new BoundedCalls(MAX_RUNNING, options.timeoutMs)
  }

  /** How long ago the decision that counts was asked for, ms; Infinity where none does. */
  age(asker: Asker, document: string): number {
    const kept = this.#kept.get(keyOf(asker, document))
    return kept === undefined ? Number.POSITIVE_INFINITY : performance.now() - kept.at
  }

  /**
   * What counts now, which is asked for if nothing does, or if it was asked for longer than `maxAgeMs` ago.
   * @throws {CoweaveError} `access/unavailable`
   */
  async level(asker: Asker, document: string, maxAgeMs = this.#options.timeMs): Promise<Level | undefined> {
    const key = keyOf(asker, document)
    for (;;) {
      const kept = this.#kept.get(key)
      if (kept !== undefined && performance.now() - kept.at < maxAgeMs) return kept.level
      const asking = this.#asking.get(key) ?? this.#ask(key, asker, document)
      const level = await asking.answer
      // It may have changed since it was asked for.
      if (!asking.isForgotten) return level
    }
  }

  /** What was decided, or is being asked for, counts no more. */
  forget(scope: RecheckScope): void {
    const isMeant = matcherOf(scope)
    for (const [key, decision] of this.#kept) if (isMeant(decision.user, decision.document)) this.#kept.delete(key)
    for (const [key, asking] of this.#asking) {
      if (!isMeant(asking.user, asking.document)) continue
      asking.isForgotten = true
      this.#asking.delete(key)
    }
  }

  #ask(key: string, asker: Asker, document: string): Asking {
    const at = performance.now()
    const call = this.#calls.run(() => this.#options.authorize(asker, document)).then(levelOf)
    const answer = call.then(
      (level) => {
        if (this.#asking.get(key) === asking) this.#keep(key, { user: asker.user, document, level, at })
        return level
      },
      (cause: unknown) => {
        this.#report(cause, document)
        throw new CoweaveError('access/unavailable', 'who may do what is not known now; try again later', { cause })
      },
    )
    const asking: Asking = {
      user: asker.user,
      document,
      answer: answer.finally(() => {
        if (this.#asking.get(key) === asking) this.#asking.delete(key)
      }),
      isForgotten: false,
    }
    this.#asking.set(key, asking)
    return asking
  }

  #report(problem: unknown, document: string): void {
    const now = performance.now()
    if (now - this.#reportedAt < PROBLEM_INTERVAL_MS) return
    this.#reportedAt = now
    this.#options.onProblem(problem, document)
  }

  #keep(key: string, decision: Decision): void {
    this.#kept.delete(key)
    this.#kept.set(key, decision)
    const { timeMs } = this.#options
    // In the order in which they came, so that those that count no more are first.
    for (const [old, { at }] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT && decision.at - at < 2 * timeMs) return
      this.#kept.delete(old)
    }
  }
}

/** Whether a decision about `user` and a document, by the name that was asked for, is in `scope`. */
export function matcherOf({ user, document }: RecheckScope): (user: string, document: string) => boolean {
  const pattern: Grant | undefined = document === undefined ? undefined : parseGrant(document, 'read')
  return (asked, name) =>
    (user === undefined || user === asked) && (pattern === undefined || name === document || pattern.matches(name))
}

function keyOf({ user, name, admin, granted, isAbsent }: Asker, document: string): string {
  return JSON.stringify([document, user, name, admin, granted, isAbsent])
}

/** @throws {TypeError} for what is no answer */
function levelOf(answer: unknown): Level | undefined {
  if (answer === undefined || answer === null) return undefined
  const level = levels.find((each) => each === answer)
  if (level === undefined) throw new TypeError(`authorize must answer one of ${levels.join(', ')}, or undefined`)
  return level
}
