import { useEffect, useState } from 'react'
import { useSession } from '../../../client/react/index.ts'
import { DirectChats } from '../chat/direct-chats.ts'
import type { Person } from '../people.ts'

/** Watches the direct chats with those who are here. */
export function useDirectChats(self: string, people: readonly Person[]): DirectChats | undefined {
  const session = useSession()
  const [direct, setDirect] = useState<DirectChats>()
  useEffect(() => {
    if (session === undefined) return
    const opened = new DirectChats(session, self)
    setDirect(opened)
    return () => {
      opened.close()
      setDirect(undefined)
    }
  }, [session, self])
  useEffect(() => direct?.setHere(people.map(({ id }) => id)), [direct, people])
  return direct
}
