import * as Y from 'yjs'
import type { Draft } from '../../model/chat.ts'
import { deleteMessage, editMessage, newMessageId, setReaction } from '../../model/chat.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { ChatState, Presence, Stop } from '../api.ts'
import type { SessionDocuments } from '../session-documents.ts'
import { Store } from '../store.ts'
import { emptyChatState, reuse, statusOf } from './chat-state.ts'
import { Member } from './member.ts'
import { PendingChanges } from './pending-changes.ts'
import { RoomCalls } from './room-calls.ts'
import { RoomCopy } from './room-copy.ts'
import { Typing } from './typing.ts'

/** One room whose documents are open, as somebody uses it; all handles of the room share it. */
export class OpenRoom {
  readonly state = new Store<ChatState>(emptyChatState)
  readonly typists = new Store<readonly Presence[]>([])
  readonly calls: RoomCalls

  readonly #room: string
  readonly #storageKey: string | undefined
  readonly #copy: RoomCopy
  readonly #typing: Typing
  readonly #pending = new PendingChanges()
  readonly #unfollowPresence: Stop
  #member: Member | undefined
  /** What is to be done once it is known whose session this is. */
  #early: ((member: Member) => void)[] = []
  #refusedChange: string | undefined
  #whenSent: (() => void) | undefined
  #isScheduled = false
  #isUpdating = false
  #isClosed = false

  constructor(room: string, documents: SessionDocuments) {
    this.#room = room
    this.#storageKey = documents.storageKey
    this.#copy = new RoomCopy(room, documents, {
      onChange: () => this.#changed(),
      onRefused: (number, messages, change) => {
        const reason = this.#member?.sender.takeBack(number, messages, change)
        this.#refusedChange = reason ?? this.#refusedChange
        this.#changed()
      },
      onHeadRefused: ({ rule, reason }) => {
        if (rule.startsWith('call/')) this.#refusedChange = reason
        else this.#member?.marks.refused()
        this.#changed()
      },
    })
    const { head } = this.#copy
    this.calls = new RoomCalls(head, () => this.#member?.user)
    this.#typing = new Typing((isTyping) => head.setPresence({ typing: isTyping || undefined }))
    this.#unfollowPresence = head.presence.subscribe(() => this.#followTypists(head.presence.get()))
    this.#followTypists(head.presence.get())
    if (documents.user !== undefined) this.#begin(documents.user)
    else
      documents.whenUser.then(
        (user) => this.#begin(user),
        () => {}, // the session ended before: its documents say why
      )
    this.#update()
  }

  /** The session has ended, or nobody uses it any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  send(draft: Draft): string {
    const message = { ...draft, id: newMessageId(), at: Date.now() }
    this.#typing.stop()
    this.#do(({ sender, marks }) => {
      sender.send(message)
      marks.answered()
    })
    return message.id
  }

  edit(id: string, text: string): void {
    this.#do(({ outbox }) => {
      const isUnsent = outbox.has(id)
      outbox.change(id, ({ problem: _problem, ...unsent }) => ({ ...unsent, text, attempts: 0 }))
      if (!isUnsent || this.#find(id) !== undefined) this.#change(id, (message) => editMessage(message, text))
    })
  }

  delete(id: string): void {
    this.#do(({ outbox }) => {
      const isUnsent = outbox.has(id)
      outbox.remove(id)
      if (isUnsent) this.#pending.drop(id)
      if (!isUnsent || this.#find(id) !== undefined) this.#change(id, deleteMessage)
    })
  }

  react(id: string, emoji: string, isOn: boolean): void {
    this.#do(({ user }) => this.#change(id, (message) => setReaction(message, emoji, user, isOn)))
  }

  retry(id: string): void {
    this.#do(({ outbox }) => outbox.retry(id))
  }

  markRead(): void {
    this.#do(({ marks }) => marks.markAll())
  }

  /** Whether `viewer`, one part of a page, sees the end of the list now. */
  setSeen(viewer: object, isSeen: boolean): void {
    this.#do(({ marks }) => marks.setSeen(viewer, isSeen))
  }

  enter(): void {
    this.#do(({ marks }) => marks.enter())
  }

  typing(): void {
    this.#typing.key()
  }

  loadEarlier(): void {
    this.#copy.openEarlier()
    this.#update()
  }

  dismissRefusedChange(): void {
    this.#refusedChange = undefined
    this.#update()
  }

  /** Calls `listener` once all that was written here has reached the room, at once if it has. Again replaces it. */
  whenSent(listener: (() => void) | undefined): void {
    this.#typing.stop()
    this.#whenSent = listener
    this.#tellWhenSent()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#typing.destroy()
    this.#unfollowPresence()
    this.calls.close()
    this.#member?.close()
    this.#copy.close()
  }

  #begin(user: string): void {
    if (this.#isClosed) return
    const member = new Member(user, this.#copy, this.#storageKey, () => this.#changed())
    this.#member = member
    const early = this.#early
    this.#early = []
    for (const action of early) action(member)
    this.#update()
  }

  #do(action: (member: Member) => void): void {
    if (this.#member === undefined) {
      this.#early.push(action)
      return
    }
    action(this.#member)
    this.#update()
  }

  #change(id: string, apply: (message: Y.Map<unknown>) => void): void {
    const message = this.#find(id)
    if (message !== undefined) apply(message)
    else if (this.#mayCome(id)) this.#pending.add(id, apply)
    else throw new CoweaveError('chat/no-such-message', `${this.#room} has no message ${id} among those that are here`)
  }

  /** The message, once it takes reactions too. */
  #find(id: string): Y.Map<unknown> | undefined {
    const message = this.#copy.find(id)
    return message?.get('reactions') instanceof Y.Map ? message : undefined
  }

  #mayCome(id: string): boolean {
    const { ready, earlier } = this.state.get()
    if (!ready || earlier === 'loading' || this.#copy.isReplacing) return true
    return this.#member?.outbox.has(id) === true || this.#copy.find(id) !== undefined
  }

  #followTypists(present: readonly Presence[]): void {
    const typists = present.filter(({ self, fields }) => !self && fields.typing === true)
    if (JSON.stringify(typists) !== JSON.stringify(this.typists.get())) this.typists.set(typists)
  }

  /** Many changes come at once: they make one state. */
  #changed(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#update()
    })
  }

  #update(): void {
    if (this.#isClosed) return
    if (this.#isUpdating) {
      // A listener did something.
      this.#changed()
      return
    }
    this.#isUpdating = true
    try {
      this.#copy.openWanted(this.#member?.sender.segments ?? new Set())
      this.state.set(reuse(this.state.get(), this.#nextState()))
    } finally {
      this.#isUpdating = false
    }
    this.#tellWhenSent()
  }

  #nextState(): ChatState {
    const { documents, earlier, isOnline, isReadOnly, openSegment } = this.#copy
    const member = this.#member
    const status = statusOf(documents, isOnline)
    if (member === undefined) return { ...emptyChatState, status }
    const isGivenUp = this.#pending.flush(
      (id) => this.#find(id),
      (id) => this.#mayCome(id),
    )
    if (isGivenUp) this.#refusedChange = 'the message is not there any more'
    const messages = member.messages()
    return {
      status,
      ready: openSegment?.isReady ?? false,
      readOnly: isReadOnly,
      messages,
      problems: member.problems(),
      ...member.marks.follow(messages),
      kept: member.outbox.isKept && documents.every(({ state }) => state.get().kept),
      earlier,
      refusedChange: this.#refusedChange,
    }
  }

  #tellWhenSent(): void {
    if (this.#whenSent === undefined || this.#early.length > 0 || this.#member?.hasUnsent === true) return
    const listener = this.#whenSent
    this.#whenSent = undefined
    listener()
  }
}
