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
import { advanceCall, deadlineOf } from './call-course.ts'

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
    const open = openCallsOf(head)
    this.#noteAway(open, here, now)
    const vanished = new Set([...this.#awaySince].filter(([, since]) => now >= since + VANISHED_AFTER_MS).map(first))
    const deadlines: number[] = []
    head.transact(() => {
      for (const entry of open) {
        const course = this.#advance(entry, vanished, now)
        const deadline = deadlineOf(course)
        if (deadline !== undefined) deadlines.push(deadline)
        if (isOver(course.state)) continue
        for (const user of joinedIn(course)) {
          const since = this.#awaySince.get(user)
          if (since !== undefined) deadlines.push(since + VANISHED_AFTER_MS)
        }
      }
    })
    return deadlines.length === 0 ? undefined : Math.min(...deadlines)
  }

  #advance(entry: Y.Map<unknown>, vanished: ReadonlySet<string>, now: number): CallCourse {
    const { from, to, media } = readCall(entry)
    const known = courseOf(entry)
    const start = known ?? firstCourse({ from, to, media, device: String(entry.get('device')) }, now)
    const course = advanceCall(start, { from, to, acts: actsOf(entry) }, vanished, now)
    if (course !== known) {
      for (const [key, value] of Object.entries(course)) {
        if (key === 'parties' || entry.get(key) !== value) entry.set(key, value)
      }
    }
    return course
  }

  #noteAway(open: readonly Y.Map<unknown>[], here: ReadonlySet<string>, now: number): void {
    const joined = new Set(open.flatMap((entry) => joinedIn(readCall(entry))))
    const away = [...joined].filter((user) => !here.has(user))
    this.#awaySince = new Map(away.map((user) => [user, this.#awaySince.get(user) ?? now]))
  }
}

function actsOf(entry: Y.Map<unknown>): ReadonlyMap<string, string> {
  const acts = entry.get('acts')
  return new Map(acts instanceof Y.Map ? [...acts.entries()].map(([key, device]) => [key, String(device)]) : [])
}

/** The calls of a room that are not over. */
export function openCallsOf(head: Y.Doc): Y.Map<unknown>[] {
  return callsOf(head)
    .toArray()
    .filter((entry) => !isOver(courseOf(entry)?.state ?? 'ringing'))
}

function joinedIn({ parties }: CallCourse): string[] {
  return parties.filter(({ state }) => state === 'joined').map(({ user }) => user)
}

function first<T>([value]: readonly [T, unknown]): T {
  return value
}
