import { useCallback, useEffect, useRef, useState } from 'react'
import { useSession } from '../../../client/react/index.ts'
import { type ListedDocument, listDocuments } from '../documents.ts'

export interface DocumentList {
  readonly documents: readonly ListedDocument[]
  readonly state: 'loading' | 'loaded' | 'failed'
  refresh(): void
}

/** The server's documents: read at the start, whenever the page comes to the front, and on `refresh`. */
export function useDocumentList(): DocumentList {
  const session = useSession()
  const [list, setList] = useState<Omit<DocumentList, 'refresh'>>({ documents: [], state: 'loading' })
  const running = useRef<AbortController>(undefined)

  const refresh = useCallback(() => {
    if (session === undefined) return
    running.current?.abort()
    const controller = new AbortController()
    running.current = controller
    listDocuments(session, controller.signal).then(
      (documents) => {
        if (!controller.signal.aborted) setList({ documents, state: 'loaded' })
      },
      () => {
        // What was loaded before is still worth showing; the list says that it may be old.
        if (!controller.signal.aborted) setList(({ documents }) => ({ documents, state: 'failed' }))
      },
    )
  }, [session])

  useEffect(() => {
    refresh()
    addEventListener('focus', refresh)
    addEventListener('online', refresh)
    return () => {
      removeEventListener('focus', refresh)
      removeEventListener('online', refresh)
      running.current?.abort()
    }
  }, [refresh])

  return { ...list, refresh }
}
