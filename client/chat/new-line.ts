import type { ChatMessage } from '../../model/chat.ts'
import { isUnread, lastSeq } from './messages.ts'

interface Moment {
  readonly messages: readonly ChatMessage[]
  /** Up to which seq was read before this moment. */
  readonly mark: number
  /** Somebody sees the end of the list, and the server is there. */
  readonly reading: boolean
}

/** Where the line above the new messages stands: after which seq. It stays while there is something new below it. */
export class NewLine {
  #after: number | undefined
  #before: Moment = { messages: [], mark: 0, reading: false }

  get after(): number {
    return this.#after ?? 0
  }

  /** Puts it where reading ended: the list comes into view. */
  reset(): void {
    this.#after = undefined
  }

  /** Puts it below everything: one's own message answers what was new. */
  passAll(): void {
    this.#after = lastSeq(this.#before.messages)
  }

  /** To be called with each change. */
  follow(now: Moment, self: string): void {
    const before = this.#before
    this.#before = now
    if (this.#after === undefined) {
      this.#after = now.mark
      return
    }
    const line = this.#after
    // What arrives while one reads is no news; what arrived before is.
    const seen = before.reading ? before.messages : now.messages
    if (!now.reading || seen.some((message) => isUnread(message, line, self))) return
    this.#after = before.reading ? Math.max(line, lastSeq(now.messages)) : now.mark
  }
}
