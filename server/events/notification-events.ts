import { createHash, randomUUID } from 'node:crypto'
import type { Notification } from '../../model/inbox.ts'
import { uuidOf } from '../../model/uuid.ts'
import type { NewEvent } from '../../persistence/event-store.ts'

/**
 * That a notification was added: given with each inbox that is written, it is stored once, with those users in whose
 * inboxes it came. Another try for who was left out is another event. Without the body, which who got it may dismiss, and
 * who wrote it delete.
 */
export function notificationAdded({ body: _body, ...rest }: Notification): NewEvent {
  const { at } = rest
  const json = JSON.stringify(rest)
  return { id: randomUUID(), kind: 'notification.added', at, document: '', users: [], json }
}

/** The kind of event that a notification waits in; for the server itself. */
export const HELD = 'notification.held'

/** What waits, without the text, which is read when it is told. */
export interface HeldNotice extends Omit<Notification, 'at' | 'readAt' | 'body'> {
  /** The id of the message that it is about. */
  readonly message?: string
}

/**
 * That users are to be notified of what happens in `room`, once the product lets them read it: stored with what they are
 * to be told of. Instances that make the same make it with the same id.
 */
export function notificationHeld(notice: HeldNotice, room: string, users: readonly string[], at: number): NewEvent {
  const key = JSON.stringify([room, notice.kind, notice.id, users.toSorted()])
  const id = uuidOf(createHash('sha256').update(`coweave.${HELD}:`).update(key).digest(), 8)
  return { id, kind: HELD, at, document: room, users, json: JSON.stringify(notice) }
}
