import * as Y from 'yjs'
import { readsOf } from '../../model/chat.ts'
import type { Author, DocumentRules, Refusal } from '../documents/guard.ts'
import { deletedStructs, newStructs } from '../documents/transaction-structs.ts'

/**
 * The rules of a room's head: everybody moves their own read mark forwards; which segment is open is the server's.
 */
export const headRules: DocumentRules = {
  define(document) {
    document.getMap('room')
    readsOf(document)
  },

  check(transaction, before, author) {
    const reads = readsOf(transaction.doc)
    const touched = new Set<string>()
    const inspect = (struct: Y.AbstractStruct): Refusal | undefined => {
      if (!(struct instanceof Y.Item) || struct.parent !== reads || struct.parentSub === null) {
        return refuse('server-field', 'of a room’s head only the read marks are written by clients')
      }
      touched.add(struct.parentSub)
      return undefined
    }
    for (const struct of [...newStructs(transaction), ...deletedStructs(transaction)]) {
      const refusal = inspect(struct)
      if (refusal !== undefined) return refusal
    }
    return [...touched]
      .map((user) => markRefusal(user, readsOf(before).get(user), reads.get(user), author))
      .find(Boolean)
  },
}

function markRefusal(user: string, before: unknown, after: unknown, { principal }: Author): Refusal | undefined {
  if (user !== principal.user) return refuse('foreign-read-mark', 'everybody marks as read for themselves only')
  if (!Number.isSafeInteger(after) || Number(after) < 0)
    return refuse('read-mark-shape', 'a read mark is the seq of a message')
  if (Number(after) < Number(before ?? 0)) return refuse('read-mark-backwards', 'a read mark moves forwards only')
  return undefined
}

function refuse(rule: string, reason: string): Refusal {
  return { rule: `chat/${rule}`, reason }
}
