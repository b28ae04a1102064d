import * as Y from 'yjs'
import {
  CALLS_KEPT,
  type CallCourse,
  callsOf,
  courseOf,
  firstCourse,
  isOver,
  RING_MS,
  readCall,
  setCourse,
  VANISHED_AFTER_MS,
} from '../../model/calls.ts'
import type { MissedCall } from '../inbox/call-notifications.ts'
import { advanceCall, deadlineOf, joinedIn, missedBetween } from './call-course.ts'

/** Tells who has the head open. */
export type Here = Pick<ReadonlySet<string>, 'has'>

export interface CallTimes {
  /** How long a call rings before it is missed. */
  readonly ringMs: number
  /** How long a party may be away before it counts as gone. */
  readonly vanishedAfterMs: number
}

export interface CallOutlook {
  /** Whether some call is not over. */
  readonly isOpen: boolean
  /** When time alone changes something next, ms since 1970; undefined for no such time. */
  readonly next: number | undefined
  /** Calls that have just been missed. */
  readonly missed: readonly MissedCall[]
  /** Who is called and of whom it is not known whether they may be told. */
  readonly unknown: readonly string[]
  /** Whether calls wait for that. */
  readonly isWaiting: boolean
}

interface Advanced {
  readonly course: CallCourse
  readonly missed: MissedCall | undefined
  readonly isWaiting: boolean
}

/**
 * Writes into a room's head what becomes of its calls. What it has written is enough to go on from after a restart;
 * who was away already before that has as long again to come back.
 */
export class CallLog {
  readonly #times: CallTimes
  /** Who takes part in a call and is not there, since when. */
  #awaySince = new Map<string, number>()
  /** Who takes part in an open call and was there at some time. */
  #wasHere = new Set<string>()

  constructor(times: CallTimes = { ringMs: RING_MS, vanishedAfterMs: VANISHED_AFTER_MS }) {
    this.#times = times
  }

  /**
   * To be called once the head has changed, when it changes who is `here`, and at the time it returns. `here` are the
   * users who have the head open. A call is missed by somebody only once `isKnown` says that it is known whether they may be
   * told of it, so that they are told with the same commit; until then nothing becomes of it. `onOver` is told of each call
   * that is over now, `onStarted` of each that is new, and `onMissed` of each that was missed, while that change is being made.
   */
  advance(
    head: Y.Doc,
    here: Here,
    now: number,
    isKnown: (user: string) => boolean = () => true,
    onOver: (entry: Y.Map<unknown>) => void = () => {},
    onStarted: (entry: Y.Map<unknown>) => void = () => {},
    onMissed: (call: MissedCall) => void = () => {},
  ): CallOutlook {
    const { ringMs, vanishedAfterMs } = this.#times
    const awaySince = new Map<string, number>()
    const hasVanished = (user: string) => {
      if (here.has(user)) {
        this.#wasHere.add(user)
        return false
      }
      const since = this.#awaySince.get(user) ?? now
      awaySince.set(user, since)
      return now >= since + vanishedAfterMs
    }
    const calls = head.transact(() => {
      const advanced = openCallsOf(head).map((entry) => {
        const known = courseOf(entry)
        const one = this.#advanceEntry(entry, hasVanished, now, isKnown)
        if (known === undefined) onStarted(entry)
        if (one.missed !== undefined) onMissed(one.missed)
        if (one.course !== known && isOver(one.course.state)) onOver(entry)
        return one
      })
      removeOldest(head)
      return advanced
    })
    this.#awaySince = awaySince
    const open = calls.map(({ course }) => course).filter(({ state }) => !isOver(state))
    const joined = new Set(open.flatMap(joinedIn))
    this.#wasHere = new Set([...this.#wasHere].filter((user) => joined.has(user)))
    const stopsRinging = open.map((course) => deadlineOf(course, ringMs)).filter((time) => time !== undefined)
    const vanishes = [...awaySince].flatMap(([user, since]) => (joined.has(user) ? since + vanishedAfterMs : []))
    // What should have happened by now waits.
    const times = [...stopsRinging, ...vanishes].filter((time) => time > now)
    const ringing = open.flatMap(({ parties }) => parties.filter(({ state }) => state === 'ringing'))
    return {
      isOpen: open.length > 0,
      next: times.length === 0 ? undefined : Math.min(...times),
      missed: calls.flatMap(({ missed }) => missed ?? []),
      unknown: ringing.map(({ user }) => user).filter((user) => !isKnown(user)),
      isWaiting: calls.some(({ isWaiting }) => isWaiting),
    }
  }

  #advanceEntry(
    entry: Y.Map<unknown>,
    hasVanished: (user: string) => boolean,
    now: number,
    isKnown: (user: string) => boolean,
  ): Advanced {
    const { id, from, to, media } = readCall(entry)
    const known = courseOf(entry)
    const start = known ?? firstCourse({ from, to, media, device: String(entry.get('device')) }, now)
    const did = { from, to, acts: actsOf(entry) }
    const advanced = advanceCall(start, did, hasVanished, now, this.#times.ringMs)
    const course = advanced.state === 'failed' ? this.#failed(advanced) : advanced
    const users = missedBetween(start, course)
    const isWaiting = !users.every(isKnown)
    const next = isWaiting ? start : course
    if (next !== known) setCourse(entry, next)
    return { course: next, missed: isWaiting || users.length === 0 ? undefined : { id, from, media, users }, isWaiting }
  }

  /** How long it was is not known where no two came back after the server was away, perhaps for days. */
  #failed(course: CallCourse): CallCourse {
    if (course.parties.filter(({ user }) => this.#wasHere.has(user)).length >= 2) return course
    const { duration: _duration, ...rest } = course
    return rest
  }
}

/** The calls of a room that are not over. */
export function openCallsOf(head: Y.Doc): Y.Map<unknown>[] {
  return callsOf(head)
    .toArray()
    .filter((entry) => !isOver(courseOf(entry)?.state ?? 'ringing'))
}

/** Of the calls that are over, the newest stay. */
function removeOldest(head: Y.Doc): void {
  const calls = callsOf(head)
  if (calls.length <= CALLS_KEPT) return
  const over = calls.map((entry, index) => ({ index, course: courseOf(entry) }))
  const oldestFirst = over
    .flatMap(({ index, course }) => (course !== undefined && isOver(course.state) ? [{ index, at: course.at }] : []))
    .sort((left, right) => left.at - right.at)
  const excess = oldestFirst.slice(0, Math.max(0, oldestFirst.length - CALLS_KEPT))
  for (const { index } of excess.sort((left, right) => right.index - left.index)) calls.delete(index)
}

function actsOf(entry: Y.Map<unknown>): ReadonlyMap<string, string> {
  const acts = entry.get('acts')
  return new Map(acts instanceof Y.Map ? [...acts.entries()].map(([key, device]) => [key, String(device)]) : [])
}
