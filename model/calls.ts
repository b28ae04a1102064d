import * as Y from 'yjs'
import { newMessageId, timeOfMessageId } from './chat.ts'

/**
 * The shape of calls: a list in the head of a chat room. Whoever calls adds an entry. What people then do is written
 * into its `acts`, under a key of their own, so that nothing that two of them do at once is lost; what that makes of
 * the call, its state, its parties and all times, is written by the server alone, so that there is one answer for all.
 */

/** Who calls and who is called. */
export const MAX_CALL_PARTIES = 6
/** How long a call rings before it is missed. */
export const RING_MS = 60_000
/** How long a party may be away before it counts as gone. */
export const VANISHED_AFTER_MS = 30_000
/** So many calls that are over a room remembers; the server removes older ones. */
export const CALLS_KEPT = 100
export const MAX_DEVICE_LENGTH = 64

export const callMedia = ['audio', 'video'] as const
export type CallMedia = (typeof callMedia)[number]

/** `ringing` → `answered`, `declined`, `missed` or `cancelled`; `answered` → `ended` or `failed`. */
export type CallState = 'ringing' | 'answered' | 'declined' | 'missed' | 'cancelled' | 'ended' | 'failed'

/** What people do in a call. Leaving one that is answered is `end`; it is over once fewer than two are left. */
export const callActs = ['answer', 'decline', 'cancel', 'end'] as const
export type CallAct = (typeof callActs)[number]

export interface CallParty {
  readonly user: string
  readonly state: 'ringing' | 'joined' | 'declined' | 'missed' | 'left' | 'vanished'
  /** The device that the user takes part with: others of theirs stop ringing. */
  readonly device?: string
}

/** What the server makes of a call. Times are ms since 1970. */
export interface CallCourse {
  readonly state: CallState
  readonly at: number
  readonly answeredAt?: number
  readonly endedAt?: number
  /** From answer to end, ms. */
  readonly duration?: number
  readonly parties: readonly CallParty[]
}

export interface Call extends CallCourse {
  /** A UUIDv7 of the caller's. */
  readonly id: string
  readonly from: string
  readonly to: readonly string[]
  readonly media: CallMedia
}

export interface NewCall {
  readonly from: string
  readonly to: readonly string[]
  readonly media: CallMedia
  /** The caller's, a name that the device makes up for itself: letters, digits, `_` and `-`. */
  readonly device: string
}

export function callsOf(head: Y.Doc): Y.Array<Y.Map<unknown>> {
  return head.getArray('calls')
}

/** The calls of a room, the oldest first. */
export function callsIn(head: Y.Doc): Call[] {
  return callsOf(head)
    .map(readCall)
    .sort((left, right) => left.at - right.at)
}

/** Calls somebody, in one transaction. Returns the call's id. */
export function startCall(head: Y.Doc, { from, to, media, device }: NewCall): string {
  const id = newMessageId()
  const acts = new Y.Map<string>()
  callsOf(head).push([new Y.Map<unknown>(Object.entries({ id, from, to: [...to], media, device, acts }))])
  return id
}

/** Does something in a call, in one's own name. Too late is no error: then it changes nothing. */
export function actInCall(call: Y.Map<unknown>, act: CallAct, user: string, device: string): void {
  const acts = call.get('acts')
  if (!(acts instanceof Y.Map)) throw new Error('this is not a call')
  acts.set(actKey(act, user), device)
}

export function actKey(act: CallAct, user: string): string {
  return `${act} ${user}`
}

/** Someone who belongs to a call, as it sees them now. */
export function partyOf({ parties }: CallCourse, user: string): CallParty | undefined {
  return parties.find((party) => party.user === user)
}

export function isOver(state: CallState): boolean {
  return state !== 'ringing' && state !== 'answered'
}

/** What a call is like before anybody has done anything. */
export function firstCourse({ from, to, device }: NewCall, at: number): CallCourse {
  const called = to.map((user): CallParty => ({ user, state: 'ringing' }))
  return { state: 'ringing', at, parties: [{ user: from, state: 'joined', device }, ...called] }
}

/** A call as plain values. One that the server has not seen yet rings, since the time in its id. */
export function readCall(entry: Y.Map<unknown>): Call {
  const id = String(entry.get('id'))
  const call: NewCall = {
    from: String(entry.get('from')),
    to: listIn(entry, 'to').map(String),
    media: entry.get('media') === 'video' ? 'video' : 'audio',
    device: String(entry.get('device')),
  }
  const { device: _device, ...rest } = call
  return { id, ...rest, ...(courseOf(entry) ?? firstCourse(call, timeOfMessageId(id))) }
}

/** What the server has made of a call; undefined before it has. */
export function courseOf(entry: Y.Map<unknown>): CallCourse | undefined {
  const course = entry.get('course')
  return isCourse(course) ? course : undefined
}

/** One value: of two that instances write at once, one holds, and not some of each. For the server alone. */
export function setCourse(entry: Y.Map<unknown>, course: CallCourse): void {
  entry.set('course', course)
}

const STATES: ReadonlySet<unknown> = new Set<CallState>([
  'ringing',
  'answered',
  'declined',
  'missed',
  'cancelled',
  'ended',
  'failed',
])

/** Nobody but the server writes it: that it is one is enough to know. */
function isCourse(value: unknown): value is CallCourse {
  return typeof value === 'object' && value !== null && 'state' in value && STATES.has(value.state)
}

function listIn(entry: Y.Map<unknown>, key: string): readonly unknown[] {
  const value = entry.get(key)
  return Array.isArray(value) ? value : []
}
