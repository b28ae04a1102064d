import * as Y from 'yjs'
import { chatRoomOf, inboxOf } from '../../model/rooms.ts'
import type { StoredEvent } from '../../persistence/event-store.ts'
import { isKeyOf } from '../../persistence/map-keys.ts'

/** Whether a user is named in a plain value, at any depth: as a value of their own, or as the end of a key. */
export function isNamedIn(user: string, value: unknown): boolean {
  if (value === user) return true
  if (Array.isArray(value)) return value.some((each) => isNamedIn(user, each))
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, each]) => isKeyOf(user, key) || isNamedIn(user, each))
}

/** Whether a document's name says that it is the user's: their inbox, or a direct chat of theirs. */
export function isNamedAfter(user: string, document: string): boolean {
  if (document === inboxOf(user)) return true
  try {
    const room = chatRoomOf(document)
    return room?.kind === 'dm' && room.members.includes(user)
  } catch {
    return false // a name of an older time with other rules
  }
}

/** Whether an event is about the user. */
export function isAbout(user: string, { users, document, json }: StoredEvent): boolean {
  return users.includes(user) || isNamedAfter(user, document) || isNamedIn(user, JSON.parse(json))
}

/**
 * Whether a room's update names a user, in what it holds or in the keys of what was removed. Most are told from their bytes
 * alone. What Yjs can't read names nobody: it is in no document either.
 */
export function isNamedInUpdate(user: string, update: Uint8Array): boolean {
  if (!Buffer.from(update.buffer, update.byteOffset, update.length).includes(user)) return false
  const structs = structsOf(update)
  return structs.some((struct) => {
    if (!(struct instanceof Y.Item)) return false
    const { content, parentSub } = struct
    if (parentSub !== null && isKeyOf(user, parentSub)) return true
    return (content instanceof Y.ContentAny || content instanceof Y.ContentJSON) && isNamedIn(user, content.arr)
  })
}

function structsOf(update: Uint8Array): readonly unknown[] {
  try {
    return Y.decodeUpdate(update).structs
  } catch {
    return []
  }
}
