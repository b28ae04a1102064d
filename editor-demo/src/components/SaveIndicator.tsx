import { useEffect, useRef, useState } from 'react'
import type { CollaborativeDocument } from '../../../client/index.ts'
import type { Account } from '../account.ts'
import { useSettledStatus } from '../hooks/use-settled-status.ts'
import type { SaveStatus } from '../save-status.ts'
import { ConnectionCheck } from './ConnectionCheck.tsx'
import { Icon } from './Icon.tsx'
import { statusText } from './save-text.ts'

interface Props {
  readonly account: Account
  readonly document: CollaborativeDocument
}

/**
 * Whether the text is safe: for the eye at once, for screen readers only when it is news. It leads to a check of the
 * connection.
 */
export function SaveIndicator({ account, document }: Props) {
  const settled = useSettledStatus(document.state)
  const [isChecking, setChecking] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const { label, detail } = statusText(settled)
  const news = useNews(settled)
  return (
    <div className="save" data-kind={settled.kind}>
      <button
        ref={button}
        type="button"
        className="save-label"
        aria-haspopup="dialog"
        aria-expanded={isChecking}
        data-tooltip={`${detail} Click to check the connection.`}
        onClick={() => setChecking(true)}
      >
        {settled.kind === 'offline' ? (
          <Icon name="offline" size={16} />
        ) : settled.kind === 'read-only' ? (
          <Icon name="lock" size={16} />
        ) : (
          <span className="save-dot" />
        )}
        <span data-testid="save-status">{label}</span>
        <span className="visually-hidden">, check the connection</span>
      </button>
      {isChecking && (
        <ConnectionCheck
          account={account}
          document={document.name}
          anchor={() => button.current?.getBoundingClientRect() ?? new DOMRect()}
          onClose={() => setChecking(false)}
        />
      )}
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
