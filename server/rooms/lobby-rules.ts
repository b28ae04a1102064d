import * as Y from 'yjs'
import { z } from 'zod'
import { chosenStatuses, entriesOf, isActivity, lastSeenOf, MAX_ACTIVITY_LENGTH } from '../../model/lobby.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { isPlain } from '../documents/plain-value.ts'
import { deletedStructs, newStructs } from '../documents/transaction-structs.ts'

const MAX_REASON_LENGTH = 500

const entryShape = z.strictObject({
  status: z.enum(chosenStatuses),
  activity: z
    .string()
    .refine(isActivity, { error: `is one line of at most ${MAX_ACTIVITY_LENGTH} characters` })
    .exactOptional(),
})

/** What was done to the entries of a lobby. */
export interface LobbyChange {
  /** Whose entries were written or removed. */
  readonly users: ReadonlySet<string>
  /** Each value that was written, also those that lost against a newer one. */
  readonly values: readonly unknown[]
}

/**
 * The rules of a lobby: everybody writes and removes their own entry, as a whole; when somebody was last seen is the
 * server's. Two devices that write at the same time: one of both entries stays, the same for all.
 */
export class LobbyRules implements DocumentRules {
  define(document: Y.Doc): void {
    entriesOf(document)
    lastSeenOf(document)
  }

  check(transaction: Y.Transaction, _before: Y.Doc, { principal }: Author): Refusal | undefined {
    const change = describeLobbyChange(transaction)
    return 'rule' in change ? change : lobbyRefusal(change, principal.user)
  }
}

/** The first rule of lobbies that `change`, made by `author`, breaks. */
export function lobbyRefusal({ users, values }: LobbyChange, author: string): Refusal | undefined {
  for (const user of users) {
    if (user !== author) return refuse('foreign-entry', 'everybody writes for themselves only')
  }
  for (const value of values) {
    const parsed = entryShape.safeParse(value)
    if (!parsed.success) return refuse('entry-shape', z.prettifyError(parsed.error).slice(0, MAX_REASON_LENGTH))
  }
  return undefined
}

function describeLobbyChange(transaction: Y.Transaction): LobbyChange | Refusal {
  const entries = entriesOf(transaction.doc)
  const users = new Set<string>()
  const values: unknown[] = []
  const created = newStructs(transaction)
  for (const struct of [...created, ...deletedStructs(transaction)]) {
    if (!(struct instanceof Y.Item) || struct.parent !== entries || struct.parentSub === null)
      return refuse('server-field', 'of a lobby only the entries are written by clients')
    users.add(struct.parentSub)
  }
  for (const struct of created) {
    const content = struct instanceof Y.Item ? struct.content : undefined
    // Overwritten before it was sent.
    if (content instanceof Y.ContentDeleted) continue
    if (!(content instanceof Y.ContentAny) || content.arr.length !== 1 || !isPlain(content.arr[0]))
      return refuse('entry-shape', 'an entry is one plain value')
    values.push(content.arr[0])
  }
  return { users, values }
}

function refuse(rule: string, reason: string): Refusal {
  return { rule: `lobby/${rule}`, reason }
}
