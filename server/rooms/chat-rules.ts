import { z } from 'zod'
import { MAX_ATTACHMENTS, MAX_EMOJI_LENGTH, MAX_MENTIONS, MAX_REACTIONS, timeOfMessageId } from '../../model/chat.ts'
import { isUserId } from '../../model/rooms.ts'
import { allows, type Level } from '../access/grants.ts'
import type { Refusal } from '../documents/guard.ts'
import type { MessageEdit, PlainMessage, SegmentChange } from './segment-change.ts'

/** Clients' clocks may be ahead by so much. */
export const CLOCK_AHEAD_MS = 60_000
const MAX_REASON_LENGTH = 500
/** An emoji, and what emoji are joined of; the user behind it is checked against the principal. */
const REACTION_KEY =
  /^(?=[^ ]*(?:\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3))[\p{Extended_Pictographic}\p{Emoji_Component}]+ /u

export interface ChatContext {
  readonly user: string
  readonly level: Level
  readonly now: number
  readonly maxTextLength: number
  readonly maxMessages: number
  /** How many messages the segment holds before the change. */
  readonly count: number
  /** Whether the room is known to have a message of this id. */
  has(id: string): boolean
}

const time = z.int().min(0)
const reactionTimes = z.record(z.string(), time)
// One spelling: two of the same id would be two messages.
const uuidV7 = z.uuid({ version: 'v7' }).lowercase()
const url = z.url({ protocol: /^https?$/ }).max(2_048)

const yjsId = z.strictObject({ client: time, clock: time }).nullable().exactOptional()

/** As Y.relativePositionToJSON gives it. */
const relativePosition = z.strictObject({
  type: yjsId,
  tname: z.string().max(255).nullable().exactOptional(),
  item: yjsId,
  assoc: z.int().exactOptional(),
})

/** What a client may write in a message; `seq` and `receivedAt` are the server's. */
export const messageShape = z.strictObject({
  id: uuidV7,
  author: z.string(),
  at: time,
  text: z.string(),
  replyTo: uuidV7.exactOptional(),
  mentions: z
    .array(z.string().refine(isUserId, 'is not the id of a user'))
    .max(MAX_MENTIONS)
    .refine((users) => new Set(users).size === users.length, 'names a user twice')
    .exactOptional(),
  anchor: z.strictObject({ start: relativePosition, end: relativePosition.exactOptional() }).exactOptional(),
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
    .exactOptional(),
  editedAt: time.exactOptional(),
  deletedAt: time.exactOptional(),
  reactions: reactionTimes.exactOptional(),
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
  if (!parsed.success) return shapeRefusal(parsed.error)
  const { id, author, deletedAt, attachments, text, reactions = {} } = parsed.data
  if (author !== context.user) return refuse('foreign-author', 'a message is written in one’s own name only')
  if (ids.has(id) || context.has(id)) return refuse('duplicate-id', 'the room has a message of this id')
  ids.add(id)
  // So that the time in it tells which segments can have an id (segment.ts).
  if (timeOfMessageId(id) > context.now + CLOCK_AHEAD_MS)
    return refuse('time-ahead', 'the time in the id is more than a minute ahead of the server’s')
  const isEmpty = text === '' && !attachments?.length
  if (deletedAt === undefined && isEmpty) return refuse('empty-message', 'a message has a text')
  if (deletedAt !== undefined && !isEmpty) return refuse('deletion-keeps-content', 'a deleted message is empty')
  return (
    reactionsRefusal(Object.keys(reactions), reactions, context) ??
    textRefusal(text, context) ??
    timeRefusal(parsed.data, context)
  )
}

function editRefusal({ before, after, written, reactions }: MessageEdit, context: ChatContext): Refusal | undefined {
  if (written.has('reactions')) return refuse('fixed-field', 'reactions are made with the message')
  const refusal = reactionsRefusal(reactions, after.reactions, context)
  if (refusal !== undefined || written.size === 0) return refusal
  if (written.has('seq') || written.has('receivedAt'))
    return refuse('server-field', 'seq and receivedAt are the server’s')
  const { seq: _seq, receivedAt: _receivedAt, ...rest } = after
  const parsed = messageShape.safeParse(rest)
  if (!parsed.success) return shapeRefusal(parsed.error)
  return written.has('deletedAt')
    ? deletionRefusal(before, parsed.data, written, context)
    : textEditRefusal(before, parsed.data, written, context)
}

type ParsedMessage = z.infer<typeof messageShape>

function textEditRefusal(
  before: PlainMessage,
  after: ParsedMessage,
  written: ReadonlySet<string>,
  context: ChatContext,
) {
  if (before.author !== context.user) return refuse('foreign-message', 'only the author edits a message')
  if (!onlyHas(written, ['text', 'editedAt'])) return refuse('fixed-field', 'of a message only the text is edited')
  if (before.deletedAt !== undefined) return refuse('deleted-message', 'a deleted message does not change')
  if (!written.has('editedAt') || after.editedAt === undefined) return refuse('edit-unmarked', 'an edit sets editedAt')
  if (after.text === '' && !after.attachments?.length) return refuse('empty-message', 'a message has a text')
  return textRefusal(after.text, context) ?? timeRefusal(after, context)
}

function deletionRefusal(
  before: PlainMessage,
  after: ParsedMessage,
  written: ReadonlySet<string>,
  context: ChatContext,
) {
  if (before.author !== context.user && !allows(context.level, 'moderate')) {
    return refuse('foreign-message', 'only the author and moderators delete a message')
  }
  // Twice is fine: the author and a moderator may delete a message without knowing of each other.
  if (after.deletedAt === undefined) return refuse('deleted-message', 'a deleted message stays deleted')
  if (!onlyHas(written, ['text', 'attachments', 'deletedAt']))
    return refuse('fixed-field', 'a deletion empties the message only')
  if (after.text !== '' || after.attachments?.length)
    return refuse('deletion-keeps-content', 'a deleted message is empty')
  return timeRefusal(after, context)
}

/** `written` are the keys of `all` reactions that were set or removed. */
function reactionsRefusal(written: Iterable<string>, all: unknown, context: ChatContext): Refusal | undefined {
  const parsed = reactionTimes.safeParse(all ?? {})
  if (!parsed.success) return refuse('message-shape', 'a reaction is a time')
  const own = Object.keys(parsed.data).filter((key) => userOf(key) === context.user)
  for (const key of written) {
    if (key.indexOf(' ') > MAX_EMOJI_LENGTH || !REACTION_KEY.test(key))
      return refuse('reaction-shape', 'a reaction is named "<emoji> <user>"')
    if (userOf(key) !== context.user) return refuse('foreign-reaction', 'everybody reacts for themselves only')
    if (own.length > MAX_REACTIONS)
      return refuse('too-many-reactions', `one user has at most ${MAX_REACTIONS} reactions`)
    if ((parsed.data[key] ?? 0) > context.now + CLOCK_AHEAD_MS)
      return refuse('time-ahead', 'the time of a reaction is more than a minute ahead of the server’s')
  }
  return undefined
}

function userOf(reaction: string): string {
  return reaction.slice(reaction.indexOf(' ') + 1)
}

function textRefusal(text: string, { maxTextLength }: ChatContext): Refusal | undefined {
  // By code points, as people count; they are at most two units each, so that a huge text is never taken apart.
  return text.length <= maxTextLength || (text.length <= 2 * maxTextLength && [...text].length <= maxTextLength)
    ? undefined
    : refuse('text-too-long', `a message has at most ${maxTextLength} characters`)
}

function timeRefusal({ at, editedAt = 0, deletedAt = 0 }: ParsedMessage, { now }: ChatContext): Refusal | undefined {
  return Math.max(at, editedAt, deletedAt) > now + CLOCK_AHEAD_MS
    ? refuse('time-ahead', 'the time is more than a minute ahead of the server’s')
    : undefined
}

function onlyHas(written: ReadonlySet<string>, allowed: readonly string[]): boolean {
  return [...written].every((key) => allowed.includes(key))
}

/** What zod says may repeat what the client sent, however long. */
function shapeRefusal(error: z.ZodError): Refusal {
  return refuse('message-shape', z.prettifyError(error).slice(0, MAX_REASON_LENGTH))
}

function refuse(rule: string, reason: string): Refusal {
  return { rule: `chat/${rule}`, reason }
}
