import { useEffect, useState } from 'react'
import type { DocumentView } from '../collaboration/document-session.ts'
import type { SaveStatus } from '../collaboration/save-state.ts'
import type { Store } from '../store.ts'

const SETTLE_MS = 400

/**
 * The status, with “Saved” held back until it has lasted: between two keystrokes everything is saved for some
 * milliseconds, and a label that flickers tells nobody anything. Bad news is never held back.
 *
 * It follows the store by itself instead of deriving its state in an effect: React gives up on a component that
 * answers each of fifty quick updates with another one.
 */
export function useSettledStatus(view: Store<DocumentView>): SaveStatus {
  const [shown, setShown] = useState(() => view.get().status)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let current = view.get().status
    const show = (status: SaveStatus) => {
      current = status
      setShown(status)
    }
    const follow = () => {
      const { status } = view.get()
      clearTimeout(timer)
      if (status.kind === 'saving' && current.kind === 'saving') return
      if (status.kind === 'saved' && current.kind === 'saving') timer = setTimeout(() => show(status), SETTLE_MS)
      else show(status)
    }
    show(current)
    const stop = view.subscribe(follow)
    return () => {
      stop()
      clearTimeout(timer)
    }
  }, [view])
  return shown
}
