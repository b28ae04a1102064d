import { CoweaveError } from '../../model/errors.ts'
import { roomOf } from '../../model/rooms.ts'
import { allows, type Level, levelFor, type Principal } from './grants.ts'

/**
 * What `principal` may do in `document`, or undefined for nothing. A chat takes the access of the document it stands
 * beside, or grants of its own; a direct chat belongs to its two members and an inbox to its owner, whatever else anybody
 * is granted. A lobby takes the grants for its name.
 * @throws {CoweaveError} `document/bad-name` for a room's name that isn't written as rooms are
 */
export function levelIn(document: string, { user, grants }: Principal): Level | undefined {
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

/** Whether `principal` may read `document`, which may be of an older time with other rules for names: then nobody may. */
export function isReadable(document: string, principal: Principal): boolean {
  try {
    return levelIn(document, principal) !== undefined
  } catch (error) {
    if (error instanceof CoweaveError) return false
    throw error
  }
}
