import type { CollaborativeDocument, Refusal } from '../../../client/index.ts'
import { Notice } from './Notice.tsx'
import { keptText, refusalText } from './save-text.ts'

interface Props {
  readonly document: CollaborativeDocument
  readonly refusal: Refusal
  /** How many changes the server does not have, and whether this browser keeps them. */
  readonly unsaved: number
  readonly kept: boolean
  /** There is no text to show below it. */
  readonly full: boolean
}

/** The server won't have this document opened or changed: why, and what can be done. */
export function Refused({ document, refusal, unsaved, kept, full }: Props) {
  const { title, advice, action } = refusalText(refusal)
  const notSaved = unsaved > 0 ? ` ${capital(keptText(unsaved, kept))}.` : ''
  const discard = async () => {
    if (!confirm('Discard the changes that only this browser has?')) return
    await document.discardCopy()
    document.retry()
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
          {notSaved}
        </p>
        {refusal.message !== '' && <p className="notice-detail">The server says: {refusal.message}</p>}
      </Notice>
    )
  }
  return (
    <div className="banner" role="alert">
      <p>
        <strong>{title}.</strong> {advice}
        {notSaved}
      </p>
      {button}
    </div>
  )
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
