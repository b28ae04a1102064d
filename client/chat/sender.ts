import { type ChatMessage, type Draft, sendMessage } from '../../model/chat.ts'
import type { RefusedChange } from '../api.ts'
import { messageFrom, type Outbox, type UnsentMessage, unsentFrom } from './outbox.ts'
import { redoOwnChanges } from './own-changes.ts'
import type { RoomCopy } from './room-copy.ts'
import type { SegmentCopy } from './segment-copy.ts'

const MAX_ATTEMPTS = 3
/** Messages that leave in one update. */
const MAX_BATCH = 100
const SEGMENT_CLOSED = 'chat/segment-closed'
const DUPLICATE_ID = 'chat/duplicate-id'
/** Rules about changes of messages that were there already. */
const ABOUT_CHANGES = new Set(
  [
    'foreign-message',
    'deleted-message',
    'fixed-field',
    'edit-unmarked',
    'deletion-keeps-content',
    'foreign-reaction',
    'reaction-shape',
    'too-many-reactions',
  ].map((rule) => `chat/${rule}`),
)

/** With the time at which it was written, ms since 1970. */
export type NewMessage = Draft & Pick<ChatMessage, 'id' | 'at'>

/**
 * Brings one user's messages into a room. They are written into the open segment, online or not; those that the server
 * refuses there go through the outbox, also into the segment that is open by then.
 */
export class Sender {
  readonly #user: string
  readonly #copy: RoomCopy
  readonly #outbox: Outbox
  /** Segment → its stored messages as they were here before a change was taken back. */
  readonly #toRedo = new Map<number, readonly ChatMessage[]>()
  /** The last segment that is known to take no more messages. */
  #closedSegment = 0
  #batch = MAX_BATCH
  /** What left the outbox in the last batch. */
  #sent: ReadonlySet<string> = new Set()

  constructor(user: string, copy: RoomCopy, outbox: Outbox) {
    this.#user = user
    this.#copy = copy
    this.#outbox = outbox
  }

  /** The segments that have, or had, something of this user's that is not stored for sure. */
  get segments(): ReadonlySet<number> {
    const written = this.#outbox.messages.flatMap(({ writtenIn }) => writtenIn ?? [])
    return new Set([...written, ...this.#toRedo.keys()])
  }

  send(message: NewMessage): void {
    const open = this.#copy.openSegment
    const isFree = open?.isReady === true && this.#mayWriteInto(open) && this.#outbox.queued.length === 0
    if (isFree) sendMessage(open.document.ydoc, this.#user, message, message.id)
    // Also then: the document may not be kept, and who comes back later looks into the newest ones only.
    this.#outbox.add([{ ...message, attempts: 0, ...(isFree ? { writtenIn: open.number } : {}) }])
  }

  /** Does again what was lost with something refused, and sends what waits. */
  flush(): void {
    const found = this.#copy.all()
    this.#settle(found)
    this.#redo()
    const open = this.#copy.openSegment
    // With nothing else on its way, a refusal is about these.
    if (open === undefined || !this.#copy.isOnline || !this.#mayWriteInto(open) || open.document.unsaved > 0) return
    const queued = this.#outbox.queued.filter(({ id }) => !found.has(id))
    if (queued.length === 0) return
    if ([...this.#sent].every((id) => found.has(id))) this.#batch = Math.min(2 * this.#batch, MAX_BATCH)
    const batch = queued.slice(0, this.#batch)
    this.#sent = new Set(batch.map(({ id }) => id))
    const { ydoc } = open.document
    ydoc.transact(() => {
      for (const unsent of batch) {
        const message = messageFrom(unsent, this.#user)
        sendMessage(ydoc, this.#user, message, unsent.id)
        this.#outbox.change(unsent.id, (message) => ({ ...message, writtenIn: open.number }))
      }
    })
  }

  /**
   * Puts the messages that the server doesn't have into the outbox. Returns why, if what was refused is a change of an
   * earlier message.
   */
  takeBack(number: number, messages: readonly ChatMessage[], { rule, reason }: RefusedChange): string | undefined {
    const own = messages.filter(
      ({ seq, author, deletedAt }) => seq === undefined && author === this.#user && deletedAt === undefined,
    )
    this.#outbox.add(own.map(unsentFrom))
    for (const { id } of own) this.#outbox.change(id, queued)
    const [only] = own
    if (only === undefined || ABOUT_CHANGES.has(rule)) return reason
    // The changes of earlier messages that came with the new ones may have been fine.
    const stored = messages.filter(({ seq }) => seq !== undefined)
    this.#toRedo.set(number, stored)
    if (own.length === 1 && this.#sent.has(only.id)) this.#refused(number, only.id, rule, reason)
    // Fewer at once, until one is refused by itself: that is the one it is about, or there is no room for any.
    else this.#batch = Math.max(1, Math.floor(own.length / 2))
    return undefined
  }

  /** Forgets what is stored, and takes up again what a document should have and doesn't. */
  #settle(found: ReadonlyMap<string, ChatMessage>): void {
    for (const { id, writtenIn } of this.#outbox.messages) {
      const message = found.get(id)
      if (message?.seq !== undefined) this.#outbox.remove(id)
      // Its document was not kept; or the server has taken it out, since an earlier part has it, and says so next time.
      else if (message === undefined && writtenIn !== undefined && this.#copy.segment(writtenIn)?.isOnline === true)
        this.#outbox.change(id, queued)
    }
  }

  #refused(number: number, id: string, rule: string, reason: string): void {
    if (rule === SEGMENT_CLOSED) {
      this.#closedSegment = Math.max(this.#closedSegment, number)
      this.#batch = MAX_BATCH
    } else if (rule === DUPLICATE_ID) {
      this.#outbox.remove(id)
    } else {
      this.#outbox.change(id, (message) => {
        const attempts = message.attempts + 1
        const isFinal = rule.startsWith('chat/') || this.#copy.isReadOnly || attempts > MAX_ATTEMPTS
        return { ...message, attempts, ...(isFinal ? { problem: reason } : {}) }
      })
    }
  }

  #mayWriteInto({ number, isReplacing }: SegmentCopy): boolean {
    if (number <= this.#closedSegment || isReplacing || this.#toRedo.has(number) || this.#copy.isReadOnly) return false
    return this.#outbox.pending.every(({ writtenIn = number }) => writtenIn === number || this.#isLost(writtenIn))
  }

  /** What was written there may still have to be moved, and comes before what is written now; unless nobody can tell. */
  #isLost(number: number): boolean {
    return this.#copy.segment(number)?.document.status.kind === 'refused'
  }

  #redo(): void {
    for (const [number, messages] of this.#toRedo) {
      const segment = this.#copy.segment(number)
      if (segment?.isOnline !== true) continue
      this.#toRedo.delete(number)
      for (const wanted of messages) {
        const message = segment.find(wanted.id)
        if (message !== undefined) redoOwnChanges(message, wanted, this.#user)
      }
    }
  }
}

/** To be written into a segment again. */
function queued({ writtenIn: _writtenIn, ...message }: UnsentMessage): UnsentMessage {
  return message
}
