import {
  dismissNotifications,
  markNotificationsRead,
  type Notification,
  notificationsIn,
  unreadCount,
} from '../../model/inbox.ts'
import { inboxOf } from '../../model/rooms.ts'
import type { CollaborativeDocument, Inbox, InboxState, Readable, Stop } from '../api.ts'
import { followDocument } from '../chat/document-follower.ts'
import type { SessionDocuments } from '../session-documents.ts'
import { Store } from '../store.ts'

/** Of an inbox that nothing is known of yet. */
export const emptyInboxState: InboxState = {
  status: { kind: 'connecting' },
  ready: false,
  notifications: [],
  unread: 0,
}

/** The inbox of a session's user, open from the start, or from when it is known whose it is. */
export class InboxHandle implements Inbox {
  readonly state: Readable<InboxState>
  readonly #state = new Store(emptyInboxState)
  #document: CollaborativeDocument | undefined
  #unfollow: Stop | undefined
  #isDestroyed = false

  constructor(documents: SessionDocuments) {
    this.state = this.#state
    if (documents.user !== undefined) this.#open(documents, documents.user)
    else documents.whenUser.then((user) => this.#open(documents, user)).catch(() => {}) // the session tells why not
  }

  markRead(id: string): void {
    if (this.#document !== undefined) markNotificationsRead(this.#document.ydoc, [id])
  }

  markAllRead(): void {
    if (this.#document === undefined) return
    markNotificationsRead(
      this.#document.ydoc,
      this.#state.get().notifications.map(({ id }) => id),
    )
  }

  dismiss(id: string): void {
    if (this.#document !== undefined) dismissNotifications(this.#document.ydoc, [id])
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#unfollow?.()
    this.#document?.destroy()
    this.#document = undefined
  }

  #open(documents: SessionDocuments, user: string): void {
    if (this.#isDestroyed) return
    const document = documents.open(inboxOf(user), { presence: false })
    this.#document = document
    this.#unfollow = followDocument(document, { onChange: () => this.#read(document) })
    this.#read(document)
  }

  #read(document: CollaborativeDocument): void {
    const { status, ready } = document.state.get()
    const before = this.#state.get()
    const found = notificationsIn(document.ydoc).reverse()
    const notifications = isSame(before.notifications, found) ? before.notifications : found
    if (notifications === before.notifications && status === before.status && ready === before.ready) return
    this.#state.set({ status, ready, notifications, unread: unreadCount(notifications) })
  }
}

/** Of a notification nothing changes but whether it is read. */
function isSame(before: readonly Notification[], next: readonly Notification[]): boolean {
  return (
    before.length === next.length &&
    before.every(({ id, readAt }, index) => id === next[index]?.id && readAt === next[index].readAt)
  )
}
