import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type * as Y from 'yjs'
import { documentHistory, type TakenBack } from '../../../client/index.ts'
import { useSession } from '../../../client/react/index.ts'
import { Timeline } from '../history/timeline.ts'
import type { Unseen } from '../history/unseen.ts'

/** An edit is in the log a moment after it was made. */
const REFRESH_MS = 1_500

/** What was restored, for as long as that is told. */
export interface Restored extends TakenBack {
  /** What it was restored to. */
  readonly moment: string
}

/** The history of the open document, as the parts of the page see it. */
export interface HistoryView {
  /** Undefined while it is closed. */
  readonly timeline: Timeline | undefined
  readonly restored: Restored | undefined
  readonly button: RefObject<HTMLButtonElement | null>
  readonly open: () => void
  /** Opens it with what changed since one last looked. */
  readonly openUnseen: (unseen: Unseen) => void
  readonly close: () => void
  /** Takes a restore back; what others wrote since stays. */
  readonly undoRestore: () => Promise<void>
  readonly tellRestored: (restored: Restored | undefined) => void
}

export function useTimeline(name: string, self: string, ydoc: Y.Doc | undefined): HistoryView {
  const session = useSession()
  const [isOpen, setIsOpen] = useState(false)
  const [restored, setRestored] = useState<Restored>()
  const unseen = useRef<Unseen>(undefined)
  const button = useRef<HTMLButtonElement>(null)
  const timeline = useMemo(
    () => (isOpen && session !== undefined ? new Timeline(documentHistory(session, name)) : undefined),
    [isOpen, session, name],
  )

  useEffect(() => {
    if (timeline === undefined || ydoc === undefined) return
    void timeline.refresh()
    if (unseen.current !== undefined) timeline.goToUnseen(unseen.current)
    unseen.current = undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const written = () => {
      timer ??= setTimeout(() => {
        timer = undefined
        void timeline.refresh()
      }, REFRESH_MS)
    }
    written() // what is seen already, and not in the log yet
    ydoc.on('update', written)
    return () => {
      ydoc.off('update', written)
      clearTimeout(timer)
      timeline.pause()
    }
  }, [timeline, ydoc])

  return {
    timeline,
    restored,
    button,
    open: useCallback(() => {
      setRestored(undefined)
      setIsOpen(true)
    }, []),
    openUnseen: useCallback(
      (wanted: Unseen) => {
        if (timeline !== undefined) timeline.goToUnseen(wanted)
        else unseen.current = wanted
        setRestored(undefined)
        setIsOpen(true)
      },
      [timeline],
    ),
    close: useCallback(() => setIsOpen(false), []),
    undoRestore: useCallback(async () => {
      if (restored === undefined || session === undefined) return
      // Not by restoring what was before: that would take back what others have written since as well.
      await documentHistory(session, name).undo(self, restored.before)
    }, [restored, session, name, self]),
    tellRestored: setRestored,
  }
}
