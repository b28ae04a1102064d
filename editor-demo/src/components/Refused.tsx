import type { DocumentSession } from '../collaboration/document-session.ts'
import type { SaveStatus } from '../collaboration/save-state.ts'
import { Notice } from './Notice.tsx'
import { keptText, refusalText } from './save-text.ts'

interface Props {
  readonly document: DocumentSession
  readonly status: Extract<SaveStatus, { kind: 'refused' }>
  /** There is no text to show below it. */
  readonly full: boolean
}

/** The server won't have this document opened or changed: why, and what can be done. */
export function Refused({ document, status, full }: Props) {
  const { title, advice, action } = refusalText(status.refusal)
  const kept = status.changes > 0 ? ` ${capital(keptText(status.changes, status.kept))}.` : ''
  const discard = async () => {
    if (!confirm('Discard the changes that only this browser has?')) return
    await document.discardCopy()
    location.reload()
  }
  const button =
    action === 'retry' ? (
      <button type="button" className="button button-primary" onClick={() => document.retry()}>
        Try again
      </button>
    ) : action === 'reload' ? (
      <button type="button" className="button button-primary" onClick={() => location.reload()}>
        Reload
      </button>
    ) : action === 'discard' ? (
      <button type="button" className="button" onClick={discard}>
        Discard this browser’s copy
      </button>
    ) : null
  if (full) {
    return (
      <Notice title={title} actions={button}>
        <p>
          {advice}
          {kept}
        </p>
        {status.refusal.message !== '' && <p className="notice-detail">The server says: {status.refusal.message}</p>}
      </Notice>
    )
  }
  return (
    <div className="banner" role="alert">
      <p>
        <strong>{title}.</strong> {advice}
        {kept}
      </p>
      {button}
    </div>
  )
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
