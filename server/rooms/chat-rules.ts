import { z } from 'zod'
import { MAX_ATTACHMENTS, MAX_EMOJI_LENGTH } from '../../model/chat.ts'
import { allows, type Level } from '../access/grants.ts'
import type { Refusal } from '../documents/guard.ts'
import type { MessageEdit, PlainMessage, SegmentChange } from './segment-change.ts'

/** Clients' clocks may be ahead by so much. */
const CLOCK_AHEAD_MS = 60_000

export interface ChatContext {
  readonly user: string
  readonly level: Level
  readonly now: number
  readonly maxTextLength: number
  readonly maxMessages: number
  /** How many messages the segment holds before the change. */
  readonly count: number
  /** Whether the room has a message of this id. */
  has(id: string): boolean
}

const time = z.int().min(0)
const uuidV7 = z.uuid({ version: 'v7' })
const url = z.url({ protocol: /^https?$/ }).max(2_048)

const yjsId = z.strictObject({ client: time, clock: time }).nullish()

/** As Y.relativePositionToJSON gives it. */
const relativePosition = z.strictObject({
  type: yjsId,
  tname: z.string().max(255).nullish(),
  item: yjsId,
  assoc: z.int().optional(),
})

/** What a client may write in a message; `seq` and `receivedAt` are the server's. */
const messageShape = z.strictObject({
  id: uuidV7,
  author: z.string(),
  at: time,
  text: z.string(),
  replyTo: uuidV7.optional(),
  anchor: z.strictObject({ start: relativePosition, end: relativePosition.optional() }).optional(),
  attachments: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(255),
        type: z.string().regex(/^[\w.+-]{1,127}\/[\w.+-]{1,127}$/),
        size: z.int().min(0),
        url,
      }),
    )
    .max(MAX_ATTACHMENTS)
    .optional(),
  editedAt: time.optional(),
  deletedAt: time.optional(),
  reactions: z.record(z.string(), time).optional(),
})

/** The first rule of chat segments that `change` breaks. */
export function segmentRefusal(change: SegmentChange, context: ChatContext): Refusal | undefined {
  const ids = new Set<string>()
  for (const message of change.inserted) {
    const refusal = insertionRefusal(message, context, ids)
    if (refusal !== undefined) return refusal
  }
  if (change.inserted.length > 0 && context.count + change.inserted.length > context.maxMessages) {
    return refuse('segment-closed', 'this part of the room is full: send the message to the open one')
  }
  for (const edit of change.edited) {
    const refusal = editRefusal(edit, context)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function insertionRefusal(message: PlainMessage, context: ChatContext, ids: Set<string>): Refusal | undefined {
  const parsed = messageShape.safeParse(message)
  if (!parsed.success) return refuse('message-shape', z.prettifyError(parsed.error))
  const { id, author, deletedAt, attachments, text, reactions } = parsed.data
  if (author !== context.user) return refuse('foreign-author', 'a message is written in one’s own name only')
  if (ids.has(id) || context.has(id)) return refuse('duplicate-id', 'the room has a message of this id')
  ids.add(id)
  if (deletedAt === undefined && text === '' && !attachments?.length)
    return refuse('empty-message', 'a message has a text')
  for (const key of Object.keys(reactions ?? {})) {
    const refusal = reactionRefusal(key, context)
    if (refusal !== undefined) return refusal
  }
  return textRefusal(text, context) ?? timeRefusal(parsed.data, context)
}

function editRefusal({ before, after }: MessageEdit, context: ChatContext): Refusal | undefined {
  const changed = keysThatDiffer(before, after)
  const isReaction = changed.delete('reactions')
  if (isReaction) {
    const refusal = reactionsRefusal(before.reactions, after.reactions, context)
    if (refusal !== undefined) return refusal
  }
  if (changed.size === 0) return undefined
  if (changed.has('seq') || changed.has('receivedAt'))
    return refuse('server-field', 'seq and receivedAt are the server’s')
  const { seq: _seq, receivedAt: _receivedAt, ...written } = after
  const parsed = messageShape.safeParse(written)
  if (!parsed.success) return refuse('message-shape', z.prettifyError(parsed.error))
  if (before.deletedAt !== undefined) return refuse('deleted-message', 'a deleted message does not change')
  return changed.has('deletedAt')
    ? deletionRefusal(before, parsed.data, changed, context)
    : textEditRefusal(before, parsed.data, changed, context)
}

type ParsedMessage = z.infer<typeof messageShape>

function textEditRefusal(before: PlainMessage, after: ParsedMessage, changed: Set<string>, context: ChatContext) {
  if (before.author !== context.user) return refuse('foreign-message', 'only the author edits a message')
  if (!onlyHas(changed, ['text', 'editedAt'])) return refuse('fixed-field', 'of a message only the text is edited')
  if (!changed.has('editedAt')) return refuse('edit-unmarked', 'an edit sets editedAt')
  if (after.text === '' && !after.attachments?.length) return refuse('empty-message', 'a message has a text')
  return textRefusal(after.text, context) ?? timeRefusal(after, context)
}

function deletionRefusal(before: PlainMessage, after: ParsedMessage, changed: Set<string>, context: ChatContext) {
  if (before.author !== context.user && !allows(context.level, 'moderate')) {
    return refuse('foreign-message', 'only the author and moderators delete a message')
  }
  if (!onlyHas(changed, ['text', 'attachments', 'deletedAt']))
    return refuse('fixed-field', 'a deletion empties the message only')
  if (after.text !== '' || after.attachments?.length)
    return refuse('deletion-keeps-content', 'a deleted message is empty')
  return timeRefusal(after, context)
}

function reactionsRefusal(before: unknown, after: unknown, context: ChatContext): Refusal | undefined {
  const old = z.record(z.string(), z.unknown()).safeParse(before)
  const parsed = z.record(z.string(), time).safeParse(after)
  if (!old.success) return refuse('fixed-field', 'reactions are made with the message')
  if (!parsed.success) return refuse('message-shape', 'a reaction is a time')
  for (const key of keysThatDiffer(old.data, parsed.data)) {
    const refusal = reactionRefusal(key, context)
    if (refusal !== undefined) return refusal
    if ((parsed.data[key] ?? 0) > context.now + CLOCK_AHEAD_MS)
      return refuse('time-ahead', 'the time lies in the future')
  }
  return undefined
}

function reactionRefusal(key: string, { user }: ChatContext): Refusal | undefined {
  const end = key.indexOf(' ')
  const emoji = key.slice(0, end)
  if (end < 1 || emoji.length > MAX_EMOJI_LENGTH || /[\p{L}\p{N}\p{C}]{3}/u.test(emoji)) {
    return refuse('reaction-shape', 'a reaction is named "<emoji> <user>"')
  }
  return key.slice(end + 1) === user ? undefined : refuse('foreign-reaction', 'everybody reacts for themselves only')
}

function textRefusal(text: string, { maxTextLength }: ChatContext): Refusal | undefined {
  // By code points, as people count.
  return text.length <= maxTextLength || [...text].length <= maxTextLength
    ? undefined
    : refuse('text-too-long', `a message has at most ${maxTextLength} characters`)
}

function timeRefusal({ at, editedAt = 0, deletedAt = 0 }: ParsedMessage, { now }: ChatContext): Refusal | undefined {
  return Math.max(at, editedAt, deletedAt) > now + CLOCK_AHEAD_MS
    ? refuse('time-ahead', 'the time is more than a minute ahead of the server’s')
    : undefined
}

function keysThatDiffer(before: PlainMessage, after: PlainMessage): Set<string> {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  for (const key of keys) if (JSON.stringify(before[key]) === JSON.stringify(after[key])) keys.delete(key)
  return keys
}

function onlyHas(changed: ReadonlySet<string>, allowed: readonly string[]): boolean {
  return [...changed].every((key) => allowed.includes(key))
}

function refuse(rule: string, reason: string): Refusal {
  return { rule: `chat/${rule}`, reason }
}
