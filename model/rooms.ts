import { documentNameProblem } from './document-name.ts'
import { CoweaveError } from './errors.ts'

/** A document with rules, as its name tells. */
export type Room =
  | ChatRoom
  | { readonly kind: 'inbox'; readonly room: string; readonly segment: undefined; readonly user: string }
  | { readonly kind: 'lobby'; readonly room: string; readonly segment: undefined; readonly group: string }

/** A room that people write messages in, and call each other. */
export type ChatRoom =
  | { readonly kind: 'chat'; readonly room: string; readonly segment: number | undefined; readonly beside: string }
  | {
      readonly kind: 'dm'
      readonly room: string
      readonly segment: number | undefined
      readonly members: readonly [string, string]
    }

const KINDS: ReadonlySet<string> = new Set<Room['kind']>(['chat', 'dm', 'inbox', 'lobby'])
/** Whether a document is no free-form one: its name begins as those of rooms do, though it may be no good name. */
export function isRoomName(document: string): boolean {
  return KINDS.has(document.split('/', 1)[0] ?? '')
}

const SEGMENT = /@([1-9]\d{0,8})$/

/**
 * The room that a document name belongs to, undefined for a free-form document. `segment` is undefined for the head
 * of the room, whose name is `room` itself. A name that ends in `@<number>` is a segment, so that the chat beside a
 * document of such a name can't be had.
 * @throws {CoweaveError} `document/bad-name` for a name of a room that isn't written as rooms are
 */
export function roomOf(document: string): Room | undefined {
  const [kind = '', ...rest] = document.split('/')
  if (!KINDS.has(kind)) return undefined
  if (rest.length === 0) throw badName(document, `"${kind}" alone names no room`)
  if (kind === 'inbox') return { kind, room: document, segment: undefined, user: whose(document, rest, inboxOf) }
  if (kind === 'lobby') return { kind, room: document, segment: undefined, group: whose(document, rest, lobbyOf) }
  return chatRoom(document, kind === 'dm' ? kind : 'chat')
}

/** The chat room or direct chat that a document name belongs to; undefined for any other. @throws as roomOf() */
export function chatRoomOf(document: string): ChatRoom | undefined {
  const room = roomOf(document)
  return room?.kind === 'chat' || room?.kind === 'dm' ? room : undefined
}

/** The inbox of a user. */
export function inboxOf(user: string): string {
  return `inbox/${encodeURIComponent(user)}`
}

/** Whether there can be a user of this id who has an inbox. */
export function isUserId(id: string): boolean {
  return id !== '' && id.length <= 255 && id.isWellFormed() && documentNameProblem(inboxOf(id)) === undefined
}

/** Where the members of a group see who of them is online. */
export function lobbyOf(group: string): string {
  return `lobby/${encodeURIComponent(group)}`
}

function chatRoom(document: string, kind: ChatRoom['kind']): ChatRoom {
  const [, number] = SEGMENT.exec(document) ?? []
  const segment = number === undefined ? undefined : Number(number)
  const room = document.replace(SEGMENT, '')
  const name = room.slice(kind.length + 1)
  if (name === '') throw badName(document, 'the room has no name')
  // The head of such a room would be a segment of another one.
  if (SEGMENT.test(room)) throw badName(document, 'a room’s name does not end in "@<number>"')
  if (KINDS.has(name.split('/')[0] ?? '') && name.includes('/'))
    throw badName(document, 'there is no chat beside a room')
  if (kind === 'chat') return { kind, room, segment, beside: name }
  return { kind, room, segment, members: membersOf(document, name) }
}

/** The head of the direct chat between two users. */
export function directChat(one: string, other: string): string {
  return `dm/${[one, other].map(encodeURIComponent).sort(compare).join(',')}`
}

/** The document that holds the `segment`th part of a room's messages. */
export function segmentName(room: string, segment: number): string {
  return `${room}@${segment}`
}

/** The one that an inbox or a lobby is named after. */
function whose(document: string, [name = '', ...more]: readonly string[], nameOf: (decoded: string) => string): string {
  const decoded = decode(name)
  if (more.length === 0 && decoded !== '' && nameOf(decoded) === document) return decoded
  throw badName(document, `it is named ${nameOf('')}<name>, percent-encoded`)
}

function membersOf(document: string, name: string): readonly [string, string] {
  const parts = name.split(',')
  const [one, other] = parts.map(decode)
  if (parts.length !== 2 || !one || !other || directChat(one, other) !== `dm/${name}`) {
    throw badName(document, 'a direct chat is named dm/<user>,<user>, sorted and percent-encoded')
  }
  return [one, other]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // An empty user is refused by the caller, which knows the whole name.
    return ''
  }
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

function badName(document: string, problem: string): CoweaveError {
  return new CoweaveError('document/bad-name', `"${document}": ${problem}`)
}
