import { useMemo, useSyncExternalStore } from 'react'
import type { Chat, Presence, Session } from '../api.ts'
import { type ChatView, nobodyTypes, UsedChat, unopenedChat } from './chat-view.ts'
import { Held, type Opened } from './held.ts'
import { useSessionContext } from './provider.tsx'
import { useTracked } from './tracked.ts'

/**
 * A room, by its name or as useDocument gives it, and what can be done in it. It is open while the component is
 * mounted, which renders again when something changes that it has read from the result.
 * @throws {CoweaveError} `react/no-provider`; once it has mounted: `document/bad-name`, `chat/not-a-room`
 */
export function useChat(room: string | Chat | undefined): ChatView {
  const { session } = useSessionContext()
  const held = useMemo(() => holdChat(session, room), [session, room])
  return useTracked(held, unopenedChat)
}

export interface Typing {
  /** Who is typing, without oneself. */
  readonly typists: readonly Presence[]
  /** To be called with each key: the others see it for three seconds. */
  readonly typing: () => void
}

/** Who is typing in a room that is given by useDocument or useChat. */
export function useTyping(chat: Chat | undefined): Typing {
  const source = chat?.typists ?? nobodyTypes
  const typists = useSyncExternalStore(source.subscribe, source.get, nobodyTypes.get)
  const typing = useMemo(() => () => chat?.typing(), [chat])
  return { typists, typing }
}

function holdChat(session: Session | undefined, room: string | Chat | undefined): Held<ChatView> {
  return new Held(
    () => openChat(session, room),
    () => unopenedChat,
  )
}

function openChat(session: Session | undefined, room: string | Chat | undefined): Opened<ChatView> {
  if (room === undefined) return noChat
  if (typeof room !== 'string') return new UsedChat(room, false)
  return session === undefined ? noChat : UsedChat.open(session, room)
}

const noChat: Opened<ChatView> = { get: () => unopenedChat, subscribe: () => () => {}, release() {} }
