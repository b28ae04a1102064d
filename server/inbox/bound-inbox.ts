import type * as Y from 'yjs'
import { dismissNotifications, NOTIFICATIONS_KEPT, notificationsIn, notificationsOf } from '../../model/inbox.ts'

/** The origin of what takes notifications out for want of room. */
export const SHORTENED = Symbol('shortened')

/**
 * Keeps an open inbox at its newest notifications. Instances that have it open together all do that: they remove the
 * same.
 */
export function boundInbox(inbox: Y.Doc): void {
  let isAsked = false
  const shorten = () => {
    isAsked = false
    const excess = notificationsOf(inbox).length - NOTIFICATIONS_KEPT
    if (excess <= 0) return
    const oldest = notificationsIn(inbox).slice(0, excess)
    dismissNotifications(inbox, new Set(oldest.map(({ id }) => id)), SHORTENED)
  }
  notificationsOf(inbox).observe(() => {
    // Not inside of what brings them: that is logged already.
    if (!isAsked) queueMicrotask(shorten)
    isAsked = true
  })
  shorten()
}
