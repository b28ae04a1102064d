import { useEffect, useState } from 'react'
import type { ChatSession } from '../chat/chat-session.ts'
import type { Chats } from '../chat/chats.ts'
import { DirectChats } from '../chat/direct-chats.ts'
import { rememberPeople } from '../chat/names.ts'
import type { DocumentSession } from '../collaboration/document-session.ts'

/** Keeps a room open; undefined where there is none, and for the moment in which another one is still shown. */
export function useChat(chats: Chats, room: string | undefined): ChatSession | undefined {
  const [chat, setChat] = useState<ChatSession>()
  useEffect(() => {
    if (room === undefined) return
    const opened = chats.open(room)
    setChat(opened)
    return () => chats.close(opened)
  }, [chats, room])
  return chat?.room === room ? chat : undefined
}

/** Watches the direct chats with those who are in `document`. */
export function useDirectChats(chats: Chats, self: string, document: DocumentSession): DirectChats | undefined {
  const [direct, setDirect] = useState<DirectChats>()
  useEffect(() => {
    const opened = new DirectChats(chats, self)
    const follow = () => {
      const people = document.people.get()
      rememberPeople(people)
      opened.setHere(people.map(({ id }) => id))
    }
    const stop = document.people.subscribe(follow)
    follow()
    setDirect(opened)
    return () => {
      stop()
      opened.close()
    }
  }, [chats, self, document])
  return direct
}
