import { useEffect, useState } from 'react'
import type { Collaboration } from '../collaboration/collaboration.ts'
import type { DocumentSession } from '../collaboration/document-session.ts'

/** Keeps the document `name` open; undefined for the moment in which another one is still shown. */
export function useDocument(collaboration: Collaboration, name: string): DocumentSession | undefined {
  const [document, setDocument] = useState<DocumentSession>()
  useEffect(() => {
    const opened = collaboration.open(name)
    setDocument(opened)
    return () => collaboration.close(opened)
  }, [collaboration, name])
  return document?.name === name ? document : undefined
}
