import { CoweaveError } from '../../model/errors.ts'
import type { Chat, ChatState, Readable, Session } from '../api.ts'
import { emptyChatState } from '../chat/chat-state.ts'
import type { Opened } from './held.ts'

/** What a component can do in a room. They stay the same functions as long as it is the same room. */
export type ChatActions = Omit<Chat, 'room' | 'state' | 'typists' | 'calls' | 'destroy'>

export interface ChatView extends ChatState, ChatActions {
  /** Undefined before the component has mounted; its actions throw `chat/not-open` until then. */
  readonly chat: Chat | undefined
}

/** A room that a component uses; `isOwn` tells that it opened the handle and gives it back. */
export class UsedChat implements Opened<ChatView> {
  readonly #chat: Chat
  readonly #isOwn: boolean
  readonly #actions: ChatActions
  #last: { readonly state: ChatState; readonly view: ChatView } | undefined

  constructor(chat: Chat, isOwn: boolean) {
    this.#chat = chat
    this.#isOwn = isOwn
    this.#actions = actionsOf(() => chat)
  }

  static open(session: Session, room: string): UsedChat {
    return new UsedChat(session.chat(room), true)
  }

  get(): ChatView {
    const state = this.#chat.state.get()
    if (this.#last?.state !== state) this.#last = { state, view: { ...state, ...this.#actions, chat: this.#chat } }
    return this.#last.view
  }

  subscribe(listener: () => void): () => void {
    return this.#chat.state.subscribe(listener)
  }

  release(): void {
    if (this.#isOwn) this.#chat.destroy()
  }
}

/** Of a room that is not open yet. */
export const unopenedChat: ChatView = {
  ...emptyChatState,
  ...actionsOf(() => {
    throw new CoweaveError('chat/not-open', 'the room opens once the component has mounted')
  }),
  chat: undefined,
}

/** What is there in place of somebody's typing while the room isn't open. */
export const nobodyTypes: Readable<readonly never[]> = (() => {
  const nobody: readonly never[] = []
  return { get: () => nobody, subscribe: () => () => {} }
})()

function actionsOf(chat: () => Chat): ChatActions {
  return {
    send: (draft) => chat().send(draft),
    reply: (to, text) => chat().reply(to, text),
    comment: (text, anchor) => chat().comment(text, anchor),
    edit: (id, text) => chat().edit(id, text),
    delete: (id) => chat().delete(id),
    react: (id, emoji, isOn) => chat().react(id, emoji, isOn),
    retry: (id) => chat().retry(id),
    markRead: () => chat().markRead(),
    setSeen: (isSeen) => chat().setSeen(isSeen),
    enter: () => chat().enter(),
    typing: () => chat().typing(),
    loadEarlier: () => chat().loadEarlier(),
    search: (text, options) => chat().search(text, options),
    dismissRefusedChange: () => chat().dismissRefusedChange(),
  }
}
