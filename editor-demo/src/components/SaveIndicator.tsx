import { useEffect, useRef, useState } from 'react'
import type { DocumentView } from '../collaboration/document-session.ts'
import type { SaveStatus } from '../collaboration/save-state.ts'
import { useSettledStatus } from '../hooks/use-settled-status.ts'
import type { Store } from '../store.ts'
import { Icon } from './Icon.tsx'
import { statusText } from './save-text.ts'

/** Whether the text is safe: for the eye at once, for screen readers only when it is news. */
export function SaveIndicator({ view }: { view: Store<DocumentView> }) {
  const settled = useSettledStatus(view)
  const { label, detail } = statusText(settled)
  const news = useNews(settled)
  return (
    <div className="save" data-kind={settled.kind}>
      <span className="save-label" data-tooltip={detail}>
        {settled.kind === 'offline' ? (
          <Icon name="offline" size={16} />
        ) : settled.kind === 'read-only' ? (
          <Icon name="lock" size={16} />
        ) : (
          <span className="save-dot" />
        )}
        <span data-testid="save-status">{label}</span>
      </span>
      <span className="visually-hidden" role="status">
        {news}
      </span>
    </div>
  )
}

/** What to read out: going offline and coming back, not each “Saving…”. */
function useNews(status: SaveStatus): string {
  const [news, setNews] = useState('')
  const trouble = useRef(false)
  const { label, detail } = statusText(status)
  const isTrouble = status.kind === 'offline' || status.kind === 'refused' || status.kind === 'read-only'
  useEffect(() => {
    if (isTrouble && !trouble.current) setNews(`${label}. ${detail}`)
    else if (trouble.current && status.kind === 'saved') setNews('Connected again. Saved.')
    if (isTrouble) trouble.current = true
    else if (status.kind === 'saved') trouble.current = false
  }, [isTrouble, status.kind, label, detail])
  return news
}
