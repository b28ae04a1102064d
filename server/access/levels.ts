import { roomOf } from '../../model/rooms.ts'
import { allows, type Level, levelFor, type Principal } from './grants.ts'

/**
 * What the token of `principal` grants in `document`, or undefined for nothing; what counts is what Access says. A chat
 * takes the access of the document it stands beside, or grants of its own; a direct chat belongs to its two members and an
 * inbox to its owner, whatever else anybody is granted. A lobby takes the grants for its name.
 * @throws {CoweaveError} `document/bad-name` for a room's name that isn't written as rooms are
 */
export function grantedIn(document: string, { user, grants }: Pick<Principal, 'user' | 'grants'>): Level | undefined {
  const room = roomOf(document)
  if (room === undefined) return levelFor(grants, document)
  if (room.kind === 'dm') return room.members.includes(user) ? 'comment' : undefined
  if (room.kind === 'inbox') return room.user === user ? 'comment' : undefined
  if (room.kind === 'lobby') return levelFor(grants, room.room)
  const [own, beside] = [levelFor(grants, room.room), levelFor(grants, room.beside)]
  return own !== undefined && allows(own, beside ?? 'read') ? own : beside
}

/** What one needs to change `document`: in a room, taking part is what `comment` allows. */
export function levelToChange(document: string): Level {
  return roomOf(document) === undefined ? 'write' : 'comment'
}

/**
 * The name by which a product is asked about `document`: a chat is what it stands beside. Undefined for what belongs to
 * users, whatever a product says: direct chats and inboxes.
 * @throws {CoweaveError} `document/bad-name`
 */
export function askedName(document: string): string | undefined {
  const room = roomOf(document)
  if (room === undefined) return document
  if (room.kind === 'chat') return room.beside
  return room.kind === 'lobby' ? room.room : undefined
}
