import { randomUUID } from 'node:crypto'
import type { Notification } from '../../model/inbox.ts'
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
