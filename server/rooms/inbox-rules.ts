import type * as Y from 'yjs'
import { z } from 'zod'
import { notificationsOf } from '../../model/inbox.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { CLOCK_AHEAD_MS } from './chat-rules.ts'
import { describeListChange, type EntryEdit, type ListChange, structsOf } from './list-change.ts'

const readTime = z.int().min(0)

export interface InboxContext {
  readonly owner: string
  readonly user: string
  readonly now: number
}

/**
 * The rules of an inbox: its owner marks notifications as read, once, and removes them; all else is the server's.
 *
 * Two devices that mark the same notification at the same time don't know of each other: either time stays. What is
 * marked on one and removed on another, or by the server, is removed.
 */
export class InboxRules implements DocumentRules {
  readonly #owner: string

  constructor(owner: string) {
    this.#owner = owner
  }

  define(document: Y.Doc): void {
    notificationsOf(document)
  }

  check(transaction: Y.Transaction, before: Y.Doc, { principal }: Author): Refusal | undefined {
    const list = notificationsOf(transaction.doc)
    const change = describeListChange(structsOf(transaction), list, before, { isRemovable: true })
    if ('problem' in change) return refuse('shape', change.problem)
    return inboxRefusal(change, { owner: this.#owner, user: principal.user, now: Date.now() })
  }
}

/** The first rule of inboxes that `change` breaks. */
export function inboxRefusal(change: ListChange, context: InboxContext): Refusal | undefined {
  if (context.user !== context.owner) return refuse('foreign-inbox', 'an inbox is its owner’s')
  if (change.inserted.length > 0) return refuse('server-field', 'notifications are written by the server')
  for (const edit of change.edited) {
    const refusal = editRefusal(edit, context)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function editRefusal({ after, written, overwritten }: EntryEdit, { now }: InboxContext): Refusal | undefined {
  if ([...written].some((key) => key !== 'readAt'))
    return refuse('server-field', 'of a notification only readAt is written by clients')
  if (overwritten.has('readAt')) return refuse('already-read', 'a notification is marked as read once')
  // Removed by the same change, or before: then nothing of it is left.
  if (Object.keys(after).length === 0) return undefined
  const readAt = readTime.safeParse(after.readAt)
  if (!readAt.success) return refuse('read-time-shape', 'readAt is a time in ms, and stays')
  if (readAt.data > now + CLOCK_AHEAD_MS)
    return refuse('time-ahead', 'the time is more than a minute ahead of the server’s')
  return undefined
}

function refuse(rule: string, reason: string): Refusal {
  return { rule: `inbox/${rule}`, reason }
}
