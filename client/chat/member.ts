import { type ChatMessage, inOrder } from '../../model/chat.ts'
import { messageFrom, Outbox } from './outbox.ts'
import { outboxPrefix } from './outbox-storage.ts'
import { ReadMarks } from './read-marks.ts'
import type { RoomCopy } from './room-copy.ts'
import { Sender } from './sender.ts'

/** What there is of a room once it is known who uses it: what they wrote, and how far they have read. */
export class Member {
  readonly user: string
  readonly outbox: Outbox
  readonly sender: Sender
  readonly marks: ReadMarks
  readonly #copy: RoomCopy

  /** `storageKey` as in SessionDocuments. `onChange` is called when there is something else to send, because of other tabs. */
  constructor(user: string, copy: RoomCopy, storageKey: string | undefined, onChange: () => void) {
    this.user = user
    const prefix = storageKey === undefined ? undefined : outboxPrefix(storageKey, user, copy.room)
    this.outbox = new Outbox(prefix, onChange)
    this.sender = new Sender(user, copy, this.outbox)
    this.marks = new ReadMarks(user, copy)
    this.#copy = copy
  }

  /** Something that they wrote has not reached the room. */
  get hasUnsent(): boolean {
    if (this.outbox.pending.length > 0) return true
    const messages = [...this.#copy.all().values()]
    return messages.some(({ author, seq }) => author === this.user && seq === undefined)
  }

  /** All messages in order, after having sent what can be sent. */
  messages(): readonly ChatMessage[] {
    this.sender.flush()
    const found = this.#copy.messages()
    for (const unsent of this.outbox.messages) {
      if (!found.has(unsent.id)) found.set(unsent.id, messageFrom(unsent, this.user))
    }
    return inOrder([...found.values()])
  }

  problems(): Record<string, string> {
    return Object.fromEntries(
      this.outbox.messages.flatMap(({ id, problem }) => (problem === undefined ? [] : [[id, problem] as const])),
    )
  }

  close(): void {
    this.outbox.close()
  }
}
