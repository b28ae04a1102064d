import { useEffect, useState } from 'react'
import type { DocumentState, Readable } from '../../../client/index.ts'
import { type SaveStatus, saveStatusOf } from '../save-status.ts'

const SETTLE_MS = 400

/**
 * The status, with “Saved” held back until it has lasted: between two keystrokes everything is saved for some
 * milliseconds, and a label that flickers tells nobody anything. Bad news is never held back.
 *
 * It follows the document by itself instead of deriving its state in an effect: React gives up on a component that
 * answers each of fifty quick updates with another one.
 */
export function useSettledStatus(state: Readable<DocumentState>): SaveStatus {
  const [shown, setShown] = useState(() => saveStatusOf(state.get()))
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let current = saveStatusOf(state.get())
    const show = (status: SaveStatus) => {
      current = status
      setShown(status)
    }
    const follow = () => {
      const status = saveStatusOf(state.get())
      clearTimeout(timer)
      if (status.kind === 'saving' && current.kind === 'saving') return
      if (status.kind === 'saved' && current.kind === 'saving') timer = setTimeout(() => show(status), SETTLE_MS)
      else if (status.kind !== current.kind || 'changes' in status) show(status)
    }
    show(current)
    const stop = state.subscribe(follow)
    return () => {
      stop()
      clearTimeout(timer)
    }
  }, [state])
  return shown
}
