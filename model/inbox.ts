import * as Y from 'yjs'

/**
 * The shape of an inbox, `inbox/<user>`: a list of notifications. The server writes them; their owner marks them as
 * read and dismisses them.
 */

/** So many stay in the document; older ones are in the archive. */
export const NOTIFICATIONS_KEPT = 200
/** Characters. */
export const MAX_NOTIFICATION_TITLE = 200
export const MAX_NOTIFICATION_BODY = 2_000

/** The root type of an inbox. */
export const NOTIFICATIONS = 'notifications'

export interface Notification {
  readonly id: string
  /** What it is about, such as `mention`, `reply` or `missed-call`; back ends have their own. */
  readonly kind: string
  readonly title: string
  readonly body: string
  /** Where it leads: an address, or a path in the app. */
  readonly link: string
  /** Who caused it; nobody did where a program sent it. */
  readonly from?: string
  /** Where it happened, as far as the server itself notified of it: the document that a chat is beside. */
  readonly document?: string
  /** By the server, ms since 1970. */
  readonly at: number
  /** By the owner's clock, ms since 1970. */
  readonly readAt?: number
}

export function notificationsOf(inbox: Y.Doc): Y.Array<Y.Map<unknown>> {
  return inbox.getArray(NOTIFICATIONS)
}

/** The notifications of an inbox, oldest first. */
export function notificationsIn(inbox: Y.Doc): Notification[] {
  // Two instances of the server may have added at the same time: then they stand in any order.
  return notificationsOf(inbox)
    .map(readNotification)
    .sort((left, right) => left.at - right.at || (left.id < right.id ? -1 : 1))
}

export function unreadCount(notifications: readonly Notification[]): number {
  return notifications.filter(({ readAt }) => readAt === undefined).length
}

/** Adds notifications behind the others, in one transaction. For the server: nobody else may. */
export function addNotifications(inbox: Y.Doc, notifications: readonly Notification[]): void {
  const entries = notifications.map((notification) => {
    return new Y.Map<unknown>(Object.entries(notification).filter(([, value]) => value !== undefined))
  })
  notificationsOf(inbox).push(entries)
}

/** Marks those of `ids` that are unread as read, in one transaction. Unknown ids are left out. */
export function markNotificationsRead(inbox: Y.Doc, ids: Iterable<string>): void {
  const wanted = new Set(ids)
  const now = Date.now()
  inbox.transact(() => {
    for (const notification of notificationsOf(inbox)) {
      if (wanted.has(String(notification.get('id'))) && !notification.has('readAt')) notification.set('readAt', now)
    }
  })
}

/** Takes `ids` out of the inbox, in one transaction with this origin. Unknown ids are left out. */
export function dismissNotifications(inbox: Y.Doc, ids: Iterable<string>, origin?: unknown): void {
  const wanted = new Set(ids)
  const notifications = notificationsOf(inbox)
  inbox.transact(() => {
    for (const [index, notification] of [...notifications.toArray().entries()].reverse()) {
      if (wanted.has(String(notification.get('id')))) notifications.delete(index)
    }
  }, origin)
}

function readNotification(entry: Y.Map<unknown>): Notification {
  const text = (key: string) => String(entry.get(key) ?? '')
  const [from, document, readAt] = [entry.get('from'), entry.get('document'), entry.get('readAt')]
  return {
    id: text('id'),
    kind: text('kind'),
    title: text('title'),
    body: text('body'),
    link: text('link'),
    ...(typeof from === 'string' ? { from } : {}),
    ...(typeof document === 'string' ? { document } : {}),
    at: Number(entry.get('at') ?? 0),
    ...(typeof readAt === 'number' ? { readAt } : {}),
  }
}
