import { useEffect, useState } from 'react'
import { useSession } from '../../../client/react/index.ts'
import { DirectChats } from '../chat/direct-chats.ts'

/** Watches direct chats, whichever document is open. */
export function useDirectChats(self: string): DirectChats | undefined {
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
  return direct
}
