import { randomUUID } from 'node:crypto'
import type { ChatMessage } from '../../model/chat.ts'
import type { NewEvent } from '../../persistence/event-store.ts'
import type { ArchivedMessage } from '../../persistence/message-store.ts'

/**
 * That a message has its place in a room. Without its text, which its author may take back: it is read where it is. Its id
 * is unique in its room alone, and so is its place: a room that was erased gives both again.
 */
export function messageCreated({ room, seq, id, json }: ArchivedMessage, at: number): NewEvent {
  const { author, replyTo, mentions }: ChatMessage = JSON.parse(json)
  return {
    id: randomUUID(),
    kind: 'message.created',
    at,
    document: room,
    users: [author],
    json: JSON.stringify({ id, seq, author, replyTo, mentions }),
  }
}
