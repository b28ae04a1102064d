import type { Call } from '../../model/calls.ts'
import type { Draft } from '../../model/chat.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { Calls, Chat, ChatState, Presence, Readable, SearchPage } from '../api.ts'
import { closedError } from '../errors.ts'
import type { SessionDocuments } from '../session-documents.ts'
import { emptyChatState } from './chat-state.ts'
import { deviceName } from './device.ts'
import type { OpenRoom } from './open-room.ts'
import { searchMessages } from './search.ts'

export interface SharedRooms {
  acquire(): OpenRoom
  release(): void
}

const nobody: readonly Presence[] = []
const noCalls: readonly Call[] = []

/** One use of a room, which opens with it. After destroy() it shows what it showed last, and its methods throw. */
export class ChatHandle implements Chat {
  readonly room: string
  readonly state: Readable<ChatState> = this.#readable((open) => open.state, emptyChatState)
  readonly typists: Readable<readonly Presence[]> = this.#readable((open) => open.typists, nobody)
  readonly calls: Calls = {
    list: this.#readable((open) => open.calls.list, noCalls),
    device: deviceName(),
    start: (to, media) => this.#use().calls.start(to, media),
    answer: (id) => this.#use().calls.answer(id),
    decline: (id) => this.#use().calls.decline(id),
    cancel: (id) => this.#use().calls.cancel(id),
    end: (id) => this.#use().calls.end(id),
    signalling: (id) => this.#use().calls.signalling(id),
  }
  readonly #documents: SessionDocuments
  readonly #rooms: SharedRooms
  #open: OpenRoom | undefined
  #isDestroyed = false

  constructor(room: string, documents: SessionDocuments, rooms: SharedRooms) {
    this.room = room
    this.#documents = documents
    this.#rooms = rooms
  }

  send(draft: Draft): string {
    return this.#use().send(draft)
  }

  reply(to: string, text: string): string {
    return this.#use().send({ text, replyTo: to })
  }

  comment(text: string, anchor: NonNullable<Draft['anchor']>): string {
    return this.#use().send({ text, anchor })
  }

  edit(id: string, text: string): void {
    this.#use().edit(id, text)
  }

  delete(id: string): void {
    this.#use().delete(id)
  }

  react(id: string, emoji: string, isOn: boolean): void {
    this.#use().react(id, emoji, isOn)
  }

  retry(id: string): void {
    this.#use().retry(id)
  }

  markRead(): void {
    this.#use().markRead()
  }

  setSeen(isSeen: boolean): void {
    this.#use().setSeen(this, isSeen)
  }

  enter(): void {
    this.#use().enter()
  }

  typing(): void {
    this.#use().typing()
  }

  loadEarlier(): void {
    this.#use().loadEarlier()
  }

  search(text: string, options?: { readonly before?: number; readonly signal?: AbortSignal }): Promise<SearchPage> {
    return searchMessages(this.#documents, this.room, text, options)
  }

  dismissRefusedChange(): void {
    this.#use().dismissRefusedChange()
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    if (this.#open === undefined) return
    this.#open.setSeen(this, false)
    this.#rooms.release()
  }

  #use(): OpenRoom {
    if (this.#isDestroyed) throw new CoweaveError('chat/destroyed', `the handle on ${this.room} was given back`)
    this.#open ??= this.#rooms.acquire()
    if (this.#open.isClosed) throw closedError(`the room ${this.room}`)
    return this.#open
  }

  get #isOver(): boolean {
    return this.#isDestroyed || this.#open?.isClosed === true
  }

  #readable<T>(of: (open: OpenRoom) => Readable<T>, empty: T): Readable<T> {
    return {
      get: () => (this.#open === undefined ? empty : of(this.#open).get()),
      subscribe: (listener) => (this.#isOver ? () => {} : of(this.#use()).subscribe(listener)),
    }
  }
}
