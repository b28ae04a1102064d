import * as Y from 'yjs'
import {
  type CallCourse,
  callsOf,
  courseOf,
  firstCourse,
  isOver,
  readCall,
  VANISHED_AFTER_MS,
} from '../../model/calls.ts'
import { advanceCall, deadlineOf, joinedIn } from './call-course.ts'

/**
 * Writes into a room's head what becomes of its calls. What it has written is enough to go on from after a restart;
 * who was away already before that has as long again to come back.
 */
export class CallLog {
  /** Who takes part in a call and is not there, since when. */
  #awaySince = new Map<string, number>()

  /**
   * To be called once changes of the head are committed, when it changes who is `here`, and at the time it returns (ms
   * since 1970; undefined for no such time). `here` are the users who have the head open.
   */
  advance(head: Y.Doc, here: ReadonlySet<string>, now: number): number | undefined {
    const awaySince = new Map<string, number>()
    const hasVanished = (user: string) => {
      if (here.has(user)) return false
      const since = this.#awaySince.get(user) ?? now
      awaySince.set(user, since)
      return now >= since + VANISHED_AFTER_MS
    }
    const courses = head.transact(() => openCallsOf(head).map((entry) => advanceEntry(entry, hasVanished, now)))
    this.#awaySince = awaySince
    const open = courses.filter(({ state }) => !isOver(state))
    const deadlines = open.map(deadlineOf).concat(open.flatMap(joinedIn).map((user) => vanishesAt(awaySince.get(user))))
    const known = deadlines.filter((time) => time !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }
}

/** The calls of a room that are not over. */
export function openCallsOf(head: Y.Doc): Y.Map<unknown>[] {
  return callsOf(head)
    .toArray()
    .filter((entry) => !isOver(courseOf(entry)?.state ?? 'ringing'))
}

function advanceEntry(entry: Y.Map<unknown>, hasVanished: (user: string) => boolean, now: number): CallCourse {
  const { from, to, media } = readCall(entry)
  const known = courseOf(entry)
  const start = known ?? firstCourse({ from, to, media, device: String(entry.get('device')) }, now)
  const course = advanceCall(start, { from, to, acts: actsOf(entry) }, hasVanished, now)
  if (course === known) return course
  for (const [key, value] of Object.entries(course)) {
    if (key === 'parties' || entry.get(key) !== value) entry.set(key, value)
  }
  return course
}

function actsOf(entry: Y.Map<unknown>): ReadonlyMap<string, string> {
  const acts = entry.get('acts')
  return new Map(acts instanceof Y.Map ? [...acts.entries()].map(([key, device]) => [key, String(device)]) : [])
}

function vanishesAt(awaySince: number | undefined): number | undefined {
  return awaySince === undefined ? undefined : awaySince + VANISHED_AFTER_MS
}
