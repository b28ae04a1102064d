import type { Anchor, Attachment, ChatMessage, RelativePosition } from '../../model/chat.ts'

type Fields = Partial<Record<string, unknown>>

/** The message in what a server sent; undefined for what isn't one. Fields of the wrong kind are left out. */
export function messageIn(value: unknown): ChatMessage | undefined {
  const fields = fieldsOf(value)
  if (fields === undefined) return undefined
  const { id, author, at, text } = fields
  if (typeof id !== 'string' || typeof author !== 'string' || typeof at !== 'number' || typeof text !== 'string')
    return undefined
  const anchor = anchorIn(fields.anchor)
  const { replyTo, mentions, attachments } = fields
  return {
    id,
    author,
    at,
    text,
    ...(typeof replyTo === 'string' ? { replyTo } : {}),
    ...(Array.isArray(mentions) ? { mentions: mentions.filter((user) => typeof user === 'string') } : {}),
    ...(anchor === undefined ? {} : { anchor }),
    ...(Array.isArray(attachments) ? { attachments: attachments.filter(isAttachment) } : {}),
    ...(isTimes(fields.reactions) ? { reactions: fields.reactions } : {}),
    ...numbersIn(fields),
  }
}

function numbersIn({ editedAt, deletedAt, seq, receivedAt }: Fields) {
  return {
    ...(typeof editedAt === 'number' ? { editedAt } : {}),
    ...(typeof deletedAt === 'number' ? { deletedAt } : {}),
    ...(typeof seq === 'number' ? { seq } : {}),
    ...(typeof receivedAt === 'number' ? { receivedAt } : {}),
  }
}

function isTimes(value: unknown): value is Readonly<Record<string, number>> {
  const fields = fieldsOf(value)
  return fields !== undefined && Object.values(fields).every((time) => typeof time === 'number')
}

function isAttachment(value: unknown): value is Attachment {
  const { name, type, size, url } = fieldsOf(value) ?? {}
  return [name, type, url].every((field) => typeof field === 'string') && typeof size === 'number'
}

function anchorIn(value: unknown): Anchor | undefined {
  const { start, end } = fieldsOf(value) ?? {}
  if (!isPosition(start)) return undefined
  return isPosition(end) ? { start, end } : { start }
}

function isPosition(value: unknown): value is RelativePosition {
  const fields = fieldsOf(value)
  if (fields === undefined) return false
  const { type, item, tname, assoc } = fields
  return (
    [type, item].every((id) => id === undefined || id === null || isYjsId(id)) &&
    (tname === undefined || tname === null || typeof tname === 'string') &&
    (assoc === undefined || typeof assoc === 'number')
  )
}

function isYjsId(value: unknown): boolean {
  const { client, clock } = fieldsOf(value) ?? {}
  return typeof client === 'number' && typeof clock === 'number'
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? value : undefined
}
