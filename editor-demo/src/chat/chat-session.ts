import {
  type ChatMessage,
  type Draft,
  deleteMessage,
  editMessage,
  inOrder,
  newMessageId,
  readsOf,
  sendMessage,
  setReaction,
} from '../../../model/chat.ts'
import type { RefusalNotice } from '../../../model/refusals.ts'
import type { Collaboration } from '../collaboration/collaboration.ts'
import type { DocumentSession } from '../collaboration/document-session.ts'
import { type Person, personIn } from '../collaboration/people.ts'
import { Store } from '../store.ts'
import { type ChatView, canKeep, emptyView, isSameView, statusOf } from './chat-view.ts'
import { lastSeq, unreadCount } from './message-list.ts'
import { rememberPeople } from './names.ts'
import { NewLine } from './new-line.ts'
import { Outbox, shownMessage, unsentFrom } from './outbox.ts'
import { redoOwnChanges } from './own-changes.ts'
import { RoomCopy } from './room-copy.ts'
import { Typing } from './typing.ts'

const MAX_ATTEMPTS = 3
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

/**
 * One room, as somebody uses it. Messages are written into the open segment, online or not; those that the server
 * refuses there go through the outbox, also into the segment that is open by then.
 */
export class ChatSession {
  readonly room: string
  readonly self: string
  readonly view = new Store<ChatView>(emptyView)
  readonly typists = new Store<readonly Person[]>([])
  readonly typing = new Typing((typing) => this.#copy.head.provider.setAwarenessField('typing', typing))

  readonly #copy: RoomCopy
  readonly #outbox: Outbox
  readonly #newLine: NewLine
  /** Segment → its messages as they were here before it was opened anew. */
  readonly #toRedo = new Map<number, readonly ChatMessage[]>()
  /** The last segment that is known to take no more messages. */
  #closedSegment = 0
  #refusedChange: string | undefined
  /** What was read by somebody who may not write, and so leaves no mark for the others. */
  #privateMark = 0
  #isSeen = false
  #scheduled = false
  #destroyed = false

  constructor(room: string, self: string, collaboration: Collaboration) {
    this.room = room
    this.self = self
    this.#outbox = new Outbox(self, room)
    this.#newLine = new NewLine(self)
    this.#copy = new RoomCopy(room, collaboration, {
      onChange: () => this.#changed(),
      onHead: (head) => this.#followTypists(head),
      onRefused: (number, messages, notice) => this.#takeBack(number, messages, notice),
    })
    this.#changed()
  }

  destroy(): void {
    this.#destroyed = true
    this.typing.destroy()
    this.#copy.close()
  }

  send(draft: Draft): void {
    this.typing.stop()
    const open = this.#copy.openSegment
    const isFree = open?.isReady && this.#outbox.messages.length === 0 && !this.#copy.isReopening
    if (open !== undefined && isFree) sendMessage(open.document.doc, this.self, draft)
    else this.#outbox.add([{ ...draft, id: newMessageId(), at: Date.now(), attempts: 0 }])
    this.#newLine.passAll()
    this.#changed()
  }

  edit(id: string, text: string): void {
    const message = this.#copy.find(id)
    if (message !== undefined) editMessage(message, text)
    else this.#outbox.change(id, ({ problem: _problem, ...unsent }) => ({ ...unsent, text, attempts: 0 }))
    this.#changed()
  }

  remove(id: string): void {
    const message = this.#copy.find(id)
    if (message !== undefined) deleteMessage(message)
    else this.#outbox.remove(id)
    this.#changed()
  }

  react(id: string, emoji: string, isOn: boolean): void {
    const message = this.#copy.find(id)
    if (message !== undefined) setReaction(message, emoji, this.self, isOn)
  }

  /** Sends a refused message once more. */
  retry(id: string): void {
    this.#outbox.change(id, ({ problem: _problem, ...unsent }) => ({ ...unsent, attempts: 0 }))
    this.#changed()
  }

  /** The list comes into view, with a line above what is new. */
  enter(): void {
    this.#newLine.reset()
    this.#changed()
  }

  /** Whether somebody sees the end of the list now. */
  setSeen(isSeen: boolean): void {
    if (this.#isSeen === isSeen) return
    this.#isSeen = isSeen
    this.#changed()
  }

  loadEarlier(): void {
    this.#copy.openEarlier()
    this.#changed()
  }

  dismissRefusedChange(): void {
    this.#refusedChange = undefined
    this.#changed()
  }

  #followTypists({ provider: { awareness }, people }: DocumentSession): void {
    awareness?.on('change', () => {
      rememberPeople(people.get())
      const typists = new Map<string, Person>()
      for (const { typing, user } of awareness.getStates().values()) {
        const person = personIn(user)
        if (typing === true && person !== undefined && person.id !== this.self) typists.set(person.id, person)
      }
      const next = [...typists.values()]
      if (JSON.stringify(next) !== JSON.stringify(this.typists.get())) this.typists.set(next)
    })
  }

  /** Puts the messages that the server doesn't have into the outbox. */
  #takeBack(number: number, messages: readonly ChatMessage[], { rule, reason }: RefusalNotice): void {
    if (rule === SEGMENT_CLOSED) {
      this.#closedSegment = Math.max(this.#closedSegment, number)
      // The changes of earlier messages that came with the new ones were fine.
      this.#toRedo.set(
        number,
        messages.filter(({ seq }) => seq !== undefined),
      )
    }
    const own = messages.filter(({ seq, author, deletedAt }) => seq === undefined && author === this.self && !deletedAt)
    this.#outbox.add(own.map(unsentFrom))
    const [only] = own
    if (only === undefined || ABOUT_CHANGES.has(rule)) this.#refusedChange = reason
    // With several, each is sent by itself to see which one it is about.
    else if (own.length > 1 || rule === SEGMENT_CLOSED) return
    else if (rule === DUPLICATE_ID) this.#outbox.remove(only.id)
    else {
      this.#outbox.change(only.id, (message) => {
        const attempts = message.attempts + 1
        const isFinal = rule.startsWith('chat/') || attempts > MAX_ATTEMPTS
        return { ...message, attempts, ...(isFinal ? { problem: reason } : {}) }
      })
    }
  }

  /** Writes the next unsent message into the open segment: one at a time, so that a refusal tells which it is about. */
  #flush(): void {
    const open = this.#copy.openSegment
    if (open === undefined || !this.#copy.isOnline || this.#copy.openNumber <= this.#closedSegment) return
    for (const { id, problem, attempts: _attempts, at: _at, ...draft } of this.#outbox.messages) {
      const there = this.#copy.find(id)
      if (there !== undefined && !there.has('seq')) return
      if (there !== undefined) {
        this.#outbox.remove(id)
      } else if (problem === undefined) {
        sendMessage(open.document.doc, this.self, draft, id)
        return
      }
    }
  }

  #redo(): void {
    for (const [number, messages] of this.#toRedo) {
      const segment = this.#copy.segment(number)
      if (segment?.document.isOnline !== true) continue
      this.#toRedo.delete(number)
      for (const wanted of messages) {
        const message = segment.find(wanted.id)
        if (message !== undefined) redoOwnChanges(message, wanted, this.self)
      }
    }
  }

  #changed(): void {
    if (this.#scheduled || this.#destroyed) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (!this.#destroyed) this.#update()
    })
  }

  #update(): void {
    this.#copy.openWanted()
    this.#redo()
    this.#flush()
    const view = this.#nextView()
    if (!isSameView(view, this.view.get())) this.view.set(view)
  }

  #nextView(): ChatView {
    const { head, isOnline, documents } = this.#copy
    const isKnown = head.view.get().ready
    const messages = this.#messages()
    const reads = readsOf(head.doc).toJSON()
    const reading = this.#isSeen && isOnline
    let mark = Math.max(reads[this.self] ?? 0, this.#privateMark)
    if (isKnown) this.#newLine.follow({ messages, mark, reading })
    if (reading && lastSeq(messages) > mark) {
      mark = lastSeq(messages)
      if (this.#markAsRead(mark)) reads[this.self] = mark
    }
    return {
      status: statusOf(documents, isOnline),
      ready: this.#copy.openSegment?.isReady ?? false,
      messages,
      problems: Object.fromEntries(
        this.#outbox.messages.flatMap(({ id, problem }) => (problem === undefined ? [] : [[id, problem]])),
      ),
      reads,
      unread: isKnown ? unreadCount(messages, mark, this.self) : 0,
      newAfter: this.#newLine.after,
      kept: documents.every((document) => document.view.get().kept),
      canKeep: documents.every((document) => canKeep(document.view.get().status)),
      earlier: this.#copy.earlier,
      refusedChange: this.#refusedChange,
    }
  }

  /** Only while online, where the server's mark is known, since a mark must not go back. Whether others see it. */
  #markAsRead(seq: number): boolean {
    const { head } = this.#copy
    if (head.view.get().status.kind === 'read-only') {
      this.#privateMark = seq
      return false
    }
    readsOf(head.doc).set(this.self, seq)
    return true
  }

  #messages(): readonly ChatMessage[] {
    const found = this.#copy.messages()
    for (const unsent of this.#outbox.messages) {
      if (!found.has(unsent.id)) found.set(unsent.id, shownMessage(unsent, this.self))
    }
    return inOrder([...found.values()])
  }
}
