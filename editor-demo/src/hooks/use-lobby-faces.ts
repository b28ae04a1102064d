import { useEffect, useState } from 'react'
import type { CollaborativeDocument } from '../../../client/index.ts'
import { usePresence, useSession } from '../../../client/react/index.ts'
import { lobbyOf } from '../../../model/rooms.ts'
import type { Identity } from '../identity.ts'
import { GROUP } from '../lobby/members.ts'
import { usePeople } from './use-people.ts'

/** Shows one's colour in the lobby, and remembers the names and colours of those who are there. */
export function useLobbyFaces(own: Identity): void {
  const session = useSession()
  const [document, setDocument] = useState<CollaborativeDocument>()
  useEffect(() => {
    if (session === undefined) return
    const opened = session.document(lobbyOf(GROUP))
    setDocument(opened)
    return () => {
      setDocument(undefined)
      opened.destroy()
    }
  }, [session])
  usePeople(document, usePresence(document), own)
}
