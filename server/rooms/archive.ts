import * as Y from 'yjs'
import { messagesOf } from '../../model/chat.ts'
import type { ArchivedMessage } from '../../persistence/message-store.ts'

/** What tells the log which messages an update of a document changes. */
export interface Archive {
  /** Whether changes are noted: not those that are in the archive already. */
  watch(isWatching: boolean): void
  /** The messages that changed since it was last asked, as they are now. */
  take(): ArchivedMessage[]
}

/**
 * Notes which messages of an open segment change, so that each goes into the archive together with the update that
 * changed it: in one transaction of the log, whichever way the change came.
 */
export class MessageArchive implements Archive {
  readonly #room: string
  readonly #messages: Y.Array<Y.Map<unknown>>
  readonly #changed = new Set<Y.Map<unknown>>()
  #isWatching = true

  /** `segment` must have been loaded: what it holds is in the archive. */
  constructor(room: string, segment: Y.Doc) {
    this.#room = room
    this.#messages = messagesOf(segment)
    segment.on('afterTransaction', this.#note)
  }

  /** Whether changes are noted: not those that are in the archive already. */
  watch(isWatching: boolean): void {
    this.#isWatching = isWatching
  }

  /**
   * The messages that changed since it was last asked, as they are now. One without a `seq` has no place yet: it comes
   * once it has one, unless it was removed before.
   */
  take(): ArchivedMessage[] {
    const taken: ArchivedMessage[] = []
    for (const message of this.#changed) {
      const isRemoved = message._item?.deleted !== false
      if (!isRemoved && !message.has('seq')) continue
      this.#changed.delete(message)
      const [seq, id] = [message.get('seq'), message.get('id')]
      if (isRemoved || typeof seq !== 'number' || typeof id !== 'string') continue
      taken.push({ room: this.#room, seq, id, json: JSON.stringify(message) })
    }
    return taken
  }

  // Yjs names the types here that were there before the transaction: just those that can have been stamped.
  readonly #note = ({ changed }: Y.Transaction): void => {
    if (!this.#isWatching) return
    for (const type of changed.keys()) {
      const message = this.#isMessage(type) ? type : type._item?.parent
      if (this.#isMessage(message)) this.#changed.add(message)
    }
  }

  #isMessage(type: unknown): type is Y.Map<unknown> {
    return type instanceof Y.Map && type._item?.parent === this.#messages
  }
}
