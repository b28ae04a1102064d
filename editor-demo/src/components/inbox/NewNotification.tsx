import { useEffect, useRef, useState } from 'react'
import type { InboxState } from '../../../../client/index.ts'
import { knownPeople } from '../../chat/names.ts'
import { headlineOf } from '../../inbox/words.ts'
import { titles } from '../../titles.ts'

/** Reads out what comes in while the page is open. */
export function NewNotification({ inbox }: { inbox: Pick<InboxState, 'ready' | 'notifications'> }) {
  const { ready, notifications } = inbox
  const [newest] = notifications
  const [text, setText] = useState('')
  /** When the newest came that was there already; undefined before it is known what is. */
  const seenAt = useRef<number>(undefined)
  useEffect(() => {
    if (!ready) return
    const at = newest?.at ?? 0
    if (seenAt.current !== undefined && newest?.readAt === undefined && at > seenAt.current)
      setText(newest === undefined ? '' : headlineOf(newest, knownPeople.get(), titles.get()))
    seenAt.current = Math.max(at, seenAt.current ?? 0)
  }, [ready, newest])
  return (
    <span className="visually-hidden" role="status">
      {text}
    </span>
  )
}
