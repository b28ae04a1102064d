import { CoweaveError } from '../../model/errors.ts'
import { chatRoomOf } from '../../model/rooms.ts'
import type { Chat } from '../api.ts'
import type { SessionDocuments } from '../session-documents.ts'
import { ChatHandle } from './chat-handle.ts'
import { OpenRoom } from './open-room.ts'

interface SharedRoom {
  readonly open: OpenRoom
  handles: number
}

/** The rooms that are open in a session, each once. */
const rooms = new WeakMap<SessionDocuments, Map<string, SharedRoom>>()

/**
 * A handle on a room; nothing is opened before it is used. A room whose last handle is given back closes once all that
 * was written in it has been sent.
 */
export function openChat(documents: SessionDocuments, room: string): Chat {
  return new ChatHandle(room, documents, {
    acquire: () => acquire(documents, room),
    release: () => release(documents, room),
  })
}

/** Closes all rooms of a session that ends; what was not sent stays on this device, if it is kept there. */
export function closeRooms(documents: SessionDocuments): void {
  for (const { open } of rooms.get(documents)?.values() ?? []) open.close()
  rooms.delete(documents)
}

/** @throws {CoweaveError} `document/bad-name`, `chat/not-a-room` */
function acquire(documents: SessionDocuments, room: string): OpenRoom {
  const all = rooms.get(documents) ?? new Map<string, SharedRoom>()
  rooms.set(documents, all)
  const shared = all.get(room) ?? { open: openRoom(documents, room), handles: 0 }
  all.set(room, shared)
  shared.handles += 1
  shared.open.whenSent(undefined)
  return shared.open
}

function release(documents: SessionDocuments, room: string): void {
  const shared = rooms.get(documents)?.get(room)
  if (shared === undefined) return
  shared.handles -= 1
  if (shared.handles > 0) return
  shared.open.whenSent(() => {
    rooms.get(documents)?.delete(room)
    shared.open.close()
  })
}

function openRoom(documents: SessionDocuments, room: string): OpenRoom {
  const named = chatRoomOf(room)
  if (named === undefined || named.segment !== undefined)
    throw new CoweaveError('chat/not-a-room', `"${room}" does not name a room, such as chat/<document>`)
  return new OpenRoom(room, documents)
}
