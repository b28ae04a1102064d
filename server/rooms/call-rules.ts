import { z } from 'zod'
import { actKey, type CallAct, callActs, callMedia, MAX_CALL_PARTIES, MAX_DEVICE_LENGTH } from '../../model/calls.ts'
import { timeOfMessageId } from '../../model/chat.ts'
import type { Refusal } from '../documents/guard.ts'
import { CLOCK_AHEAD_MS } from './chat-rules.ts'
import type { EntryEdit, ListChange, PlainEntry } from './list-change.ts'

/** Of one caller in one room: calls that ring or are answered. */
export const MAX_OPEN_CALLS = 5
const MAX_REASON_LENGTH = 500

export interface CallContext {
  readonly user: string
  readonly now: number
  /** The only ones who can be called here; undefined for a room that doesn't know its members. */
  readonly members: readonly string[] | undefined
  /** How many calls of the user are not over. */
  readonly openCalls: number
  /** Whether the room has a call of this id. */
  has(id: string): boolean
}

const device = z
  .string()
  .max(MAX_DEVICE_LENGTH)
  .regex(/^[\w-]+$/)

const user = z.string().min(1).max(255)

/** What a client writes of a call; the rest is the server's. */
const callShape = z.strictObject({
  // One spelling: two of the same id would be two calls.
  id: z.uuid({ version: 'v7' }).lowercase(),
  from: user,
  to: z
    .array(user)
    .min(1)
    .max(MAX_CALL_PARTIES - 1),
  media: z.enum(callMedia),
  device,
  acts: z.record(z.string(), device),
})

const { from, to } = callShape.shape
/** Of a call that is there, whatever else it holds. */
const callParties = z.object({ from, to })
type CallParties = z.infer<typeof callParties>

/**
 * The first rule of calls that `change` breaks.
 *
 * What can't be done before something else is refused until that has happened; what comes too late is accepted and
 * changes nothing (call-course.ts), since whoever did it could not know.
 */
export function callsRefusal(change: ListChange, context: CallContext): Refusal | undefined {
  const ids = new Set<string>()
  for (const call of change.inserted) {
    const refusal = newCallRefusal(call, context, ids)
    if (refusal !== undefined) return refusal
  }
  if (change.inserted.length > 0 && context.openCalls + change.inserted.length > MAX_OPEN_CALLS)
    return refuse('too-many', `one user has at most ${MAX_OPEN_CALLS} calls at the same time`)
  for (const edit of change.edited) {
    const refusal = editRefusal(edit, context)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function newCallRefusal(call: PlainEntry, context: CallContext, ids: Set<string>): Refusal | undefined {
  const parsed = callShape.safeParse(call)
  if (!parsed.success) return shapeRefusal(parsed.error)
  const { id, from, to, acts } = parsed.data
  if (from !== context.user) return refuse('foreign-caller', 'everybody calls in their own name only')
  if (new Set([from, ...to]).size <= to.length) return refuse('parties', 'each party is somebody else')
  if (context.members !== undefined && !to.every((callee) => context.members?.includes(callee)))
    return refuse('parties', 'only who belongs to the room is called in it')
  if (ids.has(id) || context.has(id)) return refuse('duplicate-id', 'the room has a call of this id')
  ids.add(id)
  if (timeOfMessageId(id) > context.now + CLOCK_AHEAD_MS)
    return refuse('time-ahead', 'the time in the id is more than a minute ahead of the server’s')
  return actsRefusal(Object.keys(acts), acts, parsed.data, context)
}

function editRefusal({ before, after, written, nested }: EntryEdit, context: CallContext): Refusal | undefined {
  if (written.size > 0) return refuse('fixed-field', 'of a call only acts are written, all else is the server’s')
  const parsed = callParties.safeParse(before)
  if (!parsed.success) return shapeRefusal(parsed.error)
  const acts = callShape.shape.acts.safeParse(after.acts)
  if (!acts.success) return shapeRefusal(acts.error)
  return actsRefusal(nested, acts.data, parsed.data, context)
}

/** `written` are the keys of `acts` that were set or removed. */
function actsRefusal(
  written: Iterable<string>,
  acts: Readonly<Record<string, string>>,
  call: CallParties,
  { user }: CallContext,
): Refusal | undefined {
  for (const key of written) {
    const act = callActs.find((name) => key.startsWith(`${name} `))
    if (act === undefined) return refuse('act-shape', 'an act is named "<act> <user>"')
    if (key !== actKey(act, user)) return refuse('foreign-act', 'everybody acts in their own name only')
    if (!Object.hasOwn(acts, key)) return refuse('act-removed', 'what was done stays done')
    const refusal = mayRefusal(act, acts, call, user)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function mayRefusal(
  act: CallAct,
  acts: Readonly<Record<string, string>>,
  { from, to }: CallParties,
  user: string,
): Refusal | undefined {
  if (act === 'cancel') return user === from ? undefined : refuse('not-the-caller', 'only who called cancels')
  if (act !== 'end')
    return to.includes(user) ? undefined : refuse('not-called', 'only who is called answers or declines')
  const answers = user === from ? to : [user]
  return answers.some((callee) => Object.hasOwn(acts, actKey('answer', callee)))
    ? undefined
    : refuse('not-answered', 'only a call that was answered ends')
}

function shapeRefusal(error: z.ZodError): Refusal {
  return refuse('shape', z.prettifyError(error).slice(0, MAX_REASON_LENGTH))
}

function refuse(rule: string, reason: string): Refusal {
  return { rule: `call/${rule}`, reason }
}
