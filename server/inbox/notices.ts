import { MAX_NOTIFICATION_TITLE } from '../../model/inbox.ts'
import type { ChatRoom } from '../../model/rooms.ts'

/** Characters of a message that its notification shows. */
const EXCERPT_LENGTH = 200

/**
 * The address of a room, and of a message in it: `template` with `{document}`, the document that the chat is beside, or the
 * name of a direct chat, and `{message}`, the id of a message; nothing, where it is not about one.
 */
export function linkTo(template: string, room: ChatRoom, message = ''): string {
  const document = room.kind === 'dm' ? room.room : room.beside
  const path = document.split('/').map(encodeURIComponent).join('/')
  return template.replaceAll('{document}', () => path).replaceAll('{message}', () => encodeURIComponent(message))
}

/** What happened, and where. */
export function titleOf(event: string, room: ChatRoom): string {
  return cut(room.kind === 'dm' ? event : `${event} in ${room.beside}`, MAX_NOTIFICATION_TITLE)
}

/** The document that a room stands beside, where it does. */
export function placeOf(room: ChatRoom): { readonly document?: string } {
  return room.kind === 'dm' ? {} : { document: room.beside }
}

export function excerptOf(text: string): string {
  return cut(text, EXCERPT_LENGTH)
}

/** At most so many code points; a text that is longer ends in an ellipsis. */
function cut(text: string, length: number): string {
  // A code point is at most two units: of a long text no more is taken apart.
  const characters = [...text.slice(0, 2 * length + 2)]
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}
