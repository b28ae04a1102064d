import { useSyncExternalStore } from 'react'
import type { Call } from '../../model/calls.ts'
import type { Chat, Readable } from '../api.ts'

/** The calls of a room that is given by useDocument or useChat, the oldest first; `chat.calls` is what one does there. */
export function useCalls(chat: Chat | undefined): readonly Call[] {
  const list = chat?.calls.list ?? noCalls
  return useSyncExternalStore(list.subscribe, list.get, noCalls.get)
}

const noCalls: Readable<readonly Call[]> = (() => {
  const none: readonly Call[] = []
  return { get: () => none, subscribe: () => () => {} }
})()
