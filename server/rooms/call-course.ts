import {
  actKey,
  type CallAct,
  type CallCourse,
  type CallParty,
  type CallState,
  isOver,
  partyOf,
} from '../../model/calls.ts'

/** What people did in a call. */
export interface CallActs {
  readonly from: string
  readonly to: readonly string[]
  /** `<act> <user>` → the device it was done on. */
  readonly acts: ReadonlyMap<string, string>
}

/**
 * What becomes of a call by what people have done since, at `now`. The same object if nothing does.
 *
 * Acts count in the order in which the server looks at them, which is that of their arrival; what they lead to is never
 * taken back. Of those that it finds at once, the time that ran out counts first, then cancelling, answering, declining
 * and ending. So, whatever happens at the same time, all see the same:
 *
 * - Two devices of a user answer: whose answer Yjs keeps has the call, the other one sees that it has not.
 * - A user answers here and declines there: whichever comes first; if both are found, they have answered.
 * - An answer and the caller's cancelling: whichever comes first. Where that is the cancelling, or both are found, the
 *   call is cancelled, for nobody would be there to talk to; where it is the answer, cancelling is hanging up.
 * - Both end: the first one ends the call, and the second changes nothing.
 * - Anything behind the end of a call changes nothing.
 *
 * `hasVanished` tells of those who take part whether they have been away for too long.
 */
export function advanceCall(
  course: CallCourse,
  { from, to, acts }: CallActs,
  hasVanished: (user: string) => boolean,
  now: number,
  ringMs: number,
): CallCourse {
  const did = (act: CallAct) => [from, ...to].filter((user) => acts.has(actKey(act, user)))
  const steps: ((course: CallCourse) => CallCourse)[] = [
    (current) => stopRinging(current, now, ringMs),
    ...did('cancel').map((user) => (current: CallCourse) => cancel(current, user, now)),
    ...did('answer').map((user) => (current: CallCourse) => {
      return answer(current, user, acts.get(actKey('answer', user)) ?? '', now)
    }),
    ...did('decline').map((user) => (current: CallCourse) => decline(current, user, now)),
    ...did('end').map((user) => (current: CallCourse) => end(current, user, from, now)),
    (current) =>
      joinedIn(current)
        .filter(hasVanished)
        .reduce((rest, user) => vanish(rest, user, from, now), current),
  ]
  return steps.reduce((current, step) => (isOver(current.state) ? current : step(current)), course)
}

/** When time alone changes the call next, ms since 1970; undefined for never. */
export function deadlineOf({ state, at, parties }: CallCourse, ringMs: number): number | undefined {
  return !isOver(state) && parties.some((party) => party.state === 'ringing') ? at + ringMs : undefined
}

/** Who takes part now. */
export function joinedIn({ parties }: CallCourse): string[] {
  return parties.filter(({ state }) => state === 'joined').map(({ user }) => user)
}

/** For whom a call has stopped ringing between two courses of it, without their having answered or declined. */
export function missedBetween(before: CallCourse, after: CallCourse): string[] {
  const isMissed = ({ user, state }: CallParty) =>
    stateOf(before, user) === 'ringing' && (state === 'missed' || (state === 'ringing' && isOver(after.state)))
  return after.parties.filter(isMissed).map(({ user }) => user)
}

function stopRinging(course: CallCourse, now: number, ringMs: number): CallCourse {
  const deadline = deadlineOf(course, ringMs)
  if (deadline === undefined || now < deadline) return course
  const parties = course.parties.map((party) =>
    party.state === 'ringing' ? { ...party, state: 'missed' as const } : party,
  )
  return course.state === 'ringing' ? over({ ...course, parties }, 'missed', deadline) : { ...course, parties }
}

function cancel(course: CallCourse, user: string, now: number): CallCourse {
  return course.state === 'ringing' ? over(course, 'cancelled', now) : leave(course, user, 'left', now)
}

function answer(course: CallCourse, user: string, device: string, now: number): CallCourse {
  if (stateOf(course, user) !== 'ringing') return course
  return {
    ...withParty(course, { user, state: 'joined', device }),
    state: 'answered',
    answeredAt: course.answeredAt ?? now,
  }
}

function decline(course: CallCourse, user: string, now: number): CallCourse {
  if (stateOf(course, user) !== 'ringing') return course
  const declined = withParty(course, { user, state: 'declined' })
  const rings = declined.parties.some(({ state }) => state === 'ringing')
  return course.state === 'ringing' && !rings ? over(declined, 'declined', now) : declined
}

/** A caller who takes an answer that came to nothing for one that counts hangs up on those whom it still rings for. */
function end(course: CallCourse, user: string, from: string, now: number): CallCourse {
  if (course.state === 'ringing') return user === from ? over(course, 'cancelled', now) : course
  return leave(course, user, 'left', now)
}

function vanish(course: CallCourse, user: string, from: string, now: number): CallCourse {
  // Who is called need not be there: that is what ringing is for.
  if (course.state === 'ringing') return user === from ? over(course, 'cancelled', now) : course
  return leave(course, user, 'vanished', now)
}

function leave(course: CallCourse, user: string, how: 'left' | 'vanished', now: number): CallCourse {
  if (course.state !== 'answered' || stateOf(course, user) !== 'joined') return course
  const left = withParty(course, { user, state: how })
  return joinedIn(left).length >= 2 ? left : over(left, how === 'left' ? 'ended' : 'failed', now)
}

function over(course: CallCourse, state: CallState, at: number): CallCourse {
  const { answeredAt } = course
  const ended = { ...course, state, endedAt: at }
  // The clock of the machine may have been set back.
  return answeredAt === undefined ? ended : { ...ended, duration: Math.max(0, at - answeredAt) }
}

function stateOf(course: CallCourse, user: string): CallParty['state'] | undefined {
  return partyOf(course, user)?.state
}

function withParty(course: CallCourse, changed: CallParty): CallCourse {
  const parties = course.parties.map((party) => (party.user === changed.user ? { ...party, ...changed } : party))
  return { ...course, parties }
}
