import type * as Y from 'yjs'
import { z } from 'zod'
import { callsOf, isOver, MAX_DEVICE_LENGTH, partyOf, readCall } from '../../model/calls.ts'
import {
  type DirectRefusal,
  type DirectRequest,
  encodeDirectDelivery,
  MAX_DIRECT_BYTES,
  MAX_DIRECT_KIND_LENGTH,
} from '../../model/direct.ts'
import { roomOf } from '../../model/rooms.ts'
import { allows } from '../access/grants.ts'
import type { Author } from '../documents/guard.ts'

/** A direct message that may be delivered. */
export interface AdmittedDirect {
  readonly to: string
  /** As its receivers get it, in a stateless message. */
  readonly payload: string
}

const request = z.strictObject({
  to: z.string().min(1).max(255),
  kind: z.string().min(1).max(MAX_DIRECT_KIND_LENGTH),
  payload: z.string(),
  call: z
    .strictObject({ id: z.string().max(MAX_DEVICE_LENGTH), device: z.string().min(1).max(MAX_DEVICE_LENGTH) })
    .optional(),
})

/**
 * Whether `author` may send what `text` asks for through the document `name`. Whom it is for has a right to hear it
 * where they have the document open; a signal of a call, only where both take part in that call now.
 */
export function admitDirect(text: string, name: string, head: Y.Doc, author: Author): AdmittedDirect | DirectRefusal {
  if (Buffer.byteLength(text) > MAX_DIRECT_BYTES)
    return refuse('direct/too-big', `a direct message has at most ${MAX_DIRECT_BYTES} bytes`)
  const parsed = request.safeParse(parseJson(text))
  if (!parsed.success) return refuse('direct/shape', z.prettifyError(parsed.error).slice(0, 500))
  const { to, kind, payload, call } = parsed.data
  const room = roomOf(name)
  const isHead = (room?.kind === 'chat' || room?.kind === 'dm') && room.segment === undefined
  if (!isHead) return refuse('direct/no-room', 'direct messages go through the head of a chat room')
  if (!allows(author.level, 'comment')) return refuse('direct/read-only', 'the token grants reading only')
  if (room.kind === 'dm' && !room.members.includes(to))
    return refuse('direct/not-shared', 'the room is not shared with that user')
  const from = author.principal.user
  const delivery = { from, kind, payload }
  if (call === undefined) return { to, payload: encodeDirectDelivery(delivery) }
  const parties = partiesOf(head, call, from, to)
  if ('rule' in parties) return parties
  return { to, payload: encodeDirectDelivery({ ...delivery, call: { id: call.id, device: parties.device } }) }
}

/** The device that `to` takes part with. */
function partiesOf(
  head: Y.Doc,
  { id, device }: NonNullable<DirectRequest['call']>,
  from: string,
  to: string,
): { readonly device: string } | DirectRefusal {
  const entry = callsOf(head)
    .toArray()
    .find((call) => call.get('id') === id)
  const call = entry && readCall(entry)
  if (call === undefined || isOver(call.state)) return refuse('call/not-open', 'the room has no such call now')
  const [sender, receiver] = [partyOf(call, from), partyOf(call, to)]
  if (from === to || sender?.state !== 'joined' || receiver?.state !== 'joined')
    return refuse('call/not-a-party', 'only who takes part in a call signals, to who does')
  if (sender.device !== device) return refuse('call/other-device', 'the user takes part with another device')
  return { device: receiver.device ?? '' }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refuse(rule: string, reason: string): DirectRefusal {
  return { rule, reason }
}
