import { chatRoomOf, roomOf } from '../model/rooms.ts'

/** The free-form document that a chat's document stands beside; undefined for any other document. */
export function besideOf(name: string): string | undefined {
  try {
    const room = chatRoomOf(name)
    return room?.kind === 'chat' ? room.beside : undefined
  } catch {
    return undefined // a name of an older time with other rules, which nobody can open
  }
}

/** The chat beside a document: the name of its head, and between which names those of its segments are, by bytes. */
export function chatBeside(document: string): {
  readonly head: string
  readonly above: string
  readonly below: string
} {
  const head = `chat/${document}`
  return { head, above: `${head}@`, below: `${head}A` } // "A" comes right after "@"
}

/** Whether `name` is `document`, or a document of the chat beside it: these are deleted and restored together. */
export function goesWith(document: string, name: string): boolean {
  return name === document || besideOf(name) === document
}

/** The rooms of which the messages are erased with a document: the chat beside it or, where it is the head of a room, that one. */
export function roomsOf(document: string): readonly string[] {
  return isRoom(document) ? [document] : [chatBeside(document).head]
}

/** Whether a document has rules, and maybe messages, of its own. */
export function isRoom(document: string): boolean {
  try {
    return roomOf(document) !== undefined
  } catch {
    return false // as above
  }
}
