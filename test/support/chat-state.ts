import type { Chat, ChatState } from '../../client/api.ts'

/** Resolves once `condition` holds of what the room looks like; opens it. */
export function until({ state }: Chat, condition: (state: ChatState) => boolean): Promise<ChatState> {
  return new Promise((resolve) => {
    const check = () => {
      if (!condition(state.get())) return
      stop()
      resolve(state.get())
    }
    const stop = state.subscribe(check)
    queueMicrotask(check)
  })
}

/** The server's content is here. */
export function whenReady(chat: Chat): Promise<ChatState> {
  return until(chat, ({ ready, status }) => ready && status.kind === 'online')
}

/** The room has `count` messages, and the server has them all. */
export function whenStored(chat: Chat, count: number): Promise<ChatState> {
  return until(chat, ({ messages }) => messages.length === count && messages.every(({ seq }) => seq !== undefined))
}
