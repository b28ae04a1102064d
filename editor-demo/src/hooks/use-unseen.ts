import { useCallback, useEffect, useState } from 'react'
import type * as Y from 'yjs'
import { documentHistory } from '../../../client/index.ts'
import { useSession } from '../../../client/react/index.ts'
import { readUnseen, type Unseen } from '../history/unseen.ts'

/** What is on the page for so long has been seen. */
const LOOK_MS = 3_000

interface Options {
  readonly name: string
  readonly self: string
  readonly ydoc: Y.Doc | undefined
  /** What the server has is on the page. */
  readonly isCurrent: boolean
}

/**
 * What others changed since one last looked at a document, when it is opened, until that was looked at or dismissed. From
 * then on, and where there is nothing, what is on the page counts as seen.
 */
export function useUnseen({ name, self, ydoc, isCurrent }: Options): [Unseen | undefined, () => void] {
  const session = useSession()
  const [unseen, setUnseen] = useState<Unseen>()
  const [isAsked, setIsAsked] = useState(false)
  useEffect(() => {
    if (session === undefined || !isCurrent || isAsked) return
    let isOver = false
    const told = (found: Unseen | undefined) => {
      if (isOver) return
      setUnseen(found)
      setIsAsked(true)
    }
    // Without an answer the page does without: nothing counts as seen then.
    readUnseen(documentHistory(session, name), self).then(told, () => {})
    return () => {
      isOver = true
    }
  }, [session, name, self, isCurrent, isAsked])

  const isLooking = isAsked && isCurrent && unseen === undefined
  useEffect(() => {
    if (session === undefined || ydoc === undefined || !isLooking) return
    const history = documentHistory(session, name)
    let timer: ReturnType<typeof setTimeout> | undefined
    const mark = () => {
      clearTimeout(timer)
      timer = undefined
      // It is told again as something changes; and what is told twice does no harm.
      history.markSeen().catch(() => {})
    }
    const changed = () => {
      if (document.visibilityState === 'visible') timer ??= setTimeout(mark, LOOK_MS)
    }
    const left = () => {
      if (timer !== undefined) mark()
    }
    changed()
    ydoc.on('update', changed)
    document.addEventListener('visibilitychange', changed)
    addEventListener('pagehide', left)
    return () => {
      left()
      ydoc.off('update', changed)
      document.removeEventListener('visibilitychange', changed)
      removeEventListener('pagehide', left)
    }
  }, [session, name, ydoc, isLooking])

  return [unseen, useCallback(() => setUnseen(undefined), [])]
}
