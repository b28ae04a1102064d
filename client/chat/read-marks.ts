import { type ChatMessage, readsOf } from '../../model/chat.ts'
import { isOnline } from './document-follower.ts'
import { lastSeq, unreadCount } from './messages.ts'
import { NewLine } from './new-line.ts'
import type { RoomCopy } from './room-copy.ts'

export interface MarksView {
  readonly reads: Readonly<Record<string, number>>
  readonly unread: number
  readonly newAfter: number
}

/** How far the room was read: here, and, as its head tells, by everybody. */
export class ReadMarks {
  readonly #user: string
  readonly #copy: RoomCopy
  readonly #newLine = new NewLine()
  /** Those who see the end of the list now: parts of the page. */
  readonly #viewers = new Set<object>()
  /** What was read here; the others don't see it while offline, or of somebody who may not write. */
  #mark = 0
  #refusedMark = 0
  #wantsAll = false

  constructor(user: string, copy: RoomCopy) {
    this.#user = user
    this.#copy = copy
  }

  setSeen(viewer: object, isSeen: boolean): void {
    if (isSeen) this.#viewers.add(viewer)
    else this.#viewers.delete(viewer)
  }

  enter(): void {
    this.#newLine.reset()
  }

  /** One's own message answers what was new. */
  answered(): void {
    this.#newLine.passAll()
  }

  /** Marks all as read that is here, once it is. */
  markAll(): void {
    this.#wantsAll = true
  }

  /** The server took the last mark back: it is not written again. */
  refused(): void {
    this.#refusedMark = this.#mark
  }

  /** To be called with each change; moves one's own mark if somebody is reading. `messages` are in order. */
  follow(messages: readonly ChatMessage[]): MarksView {
    const { head } = this.#copy
    if (!head.state.get().ready) return { reads: {}, unread: 0, newAfter: this.#newLine.after }
    const reads: Record<string, number> = readsOf(head.ydoc).toJSON()
    const reading = this.#viewers.size > 0 && this.#copy.isOnline
    this.#newLine.follow({ messages, mark: this.#markOf(reads), reading }, this.#user)
    const isReady = this.#copy.openSegment?.isReady === true
    if (reading || (this.#wantsAll && isReady)) this.#mark = Math.max(this.#mark, lastSeq(messages))
    if (isReady) this.#wantsAll = false
    const mark = this.#markOf(reads)
    if (mark > (reads[this.#user] ?? 0) && this.#isWritable(mark)) {
      readsOf(head.ydoc).set(this.#user, mark)
      reads[this.#user] = mark
    }
    return { reads, unread: unreadCount(messages, mark, this.#user), newAfter: this.#newLine.after }
  }

  #markOf(reads: Readonly<Record<string, number>>): number {
    return Math.max(reads[this.#user] ?? 0, this.#mark)
  }

  /** Only while online, where the server's mark is known, since a mark must not go back. */
  #isWritable(mark: number): boolean {
    const { head } = this.#copy
    return mark > this.#refusedMark && isOnline(head) && head.state.get().readOnly === false
  }
}
