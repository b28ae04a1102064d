import { useEffect } from 'react'
import type { LobbyView } from '../../../client/react/index.ts'
import { activityIn } from '../lobby/activity.ts'
import { titleOf, titles } from '../titles.ts'
import { useStore } from './use-store.ts'

/** A document that is passed by, or a title that is being typed, is no news. */
const SETTLE_MS = 800

/** Tells the lobby which document is open. Of several windows, the one that is used tells. */
export function useActivity(
  { status, readOnly, setActivity }: Pick<LobbyView, 'status' | 'readOnly' | 'setActivity'>,
  document: string | undefined,
): void {
  const known = useStore(titles)
  const canTell = status.kind === 'online' && !readOnly
  const text = document === undefined ? undefined : activityIn(titleOf(document, known))
  useEffect(() => {
    if (!canTell) return
    const tell = () => {
      if (globalThis.document.visibilityState === 'visible') setActivity(text)
    }
    const timer = setTimeout(tell, SETTLE_MS)
    addEventListener('focus', tell)
    return () => {
      clearTimeout(timer)
      removeEventListener('focus', tell)
    }
  }, [canTell, text, setActivity])
}
