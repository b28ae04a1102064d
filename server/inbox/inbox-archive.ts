import * as Y from 'yjs'
import { notificationsOf } from '../../model/inbox.ts'
import { ANY_SEQ, type ArchivedMessage } from '../../persistence/message-store.ts'
import { COMMITTED } from '../documents/open-document.ts'
import type { Archive } from '../rooms/archive.ts'
import { SHORTENED } from './bound-inbox.ts'

/** What the archive has in place of a notification that its owner has dismissed; nothing of what it said. */
export interface Dismissed {
  readonly id: string
  readonly dismissedAt: number
}

/**
 * Notes which notifications of an open inbox its owner dismisses, so that they are gone from the archive with the same
 * commit. Those that the server takes out, for want of room, stay there. The archive says nothing of what was read.
 */
export class InboxArchive implements Archive {
  readonly #room: string
  readonly #notifications: Y.Array<Y.Map<unknown>>
  readonly #dismissed = new Set<string>()

  constructor(room: string, inbox: Y.Doc) {
    this.#room = room
    this.#notifications = notificationsOf(inbox)
    inbox.on('afterTransaction', this.#note)
  }

  /** What was committed elsewhere is never noted: it was archived there, and nothing of it changes any more. */
  watch(): void {}

  take(): ArchivedMessage[] {
    const dismissedAt = Date.now()
    const taken = [...this.#dismissed].map((id): ArchivedMessage => {
      const dismissed: Dismissed = { id, dismissedAt }
      return { room: this.#room, seq: ANY_SEQ, id, json: JSON.stringify(dismissed) }
    })
    this.#dismissed.clear()
    return taken
  }

  readonly #note = (transaction: Y.Transaction): void => {
    if (transaction.origin === COMMITTED || transaction.origin === SHORTENED) return
    if (!transaction.changed.has(this.#notifications)) return
    Y.iterateDeletedStructs(transaction, transaction.deleteSet, (struct) => {
      const id = struct instanceof Y.Item && struct.parent === this.#notifications ? idIn(struct.content) : undefined
      if (id !== undefined) this.#dismissed.add(id)
    })
  }
}

/** Of an entry that is deleted and that Yjs has not cleared yet. */
function idIn(content: Y.Item['content']): string | undefined {
  if (!(content instanceof Y.ContentType)) return undefined
  const id: unknown = content.type._map.get('id')?.content.getContent()[0]
  return typeof id === 'string' ? id : undefined
}
