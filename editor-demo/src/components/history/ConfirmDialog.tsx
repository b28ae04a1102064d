import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { problemOf } from '../../history/problems.ts'

interface Props {
  readonly title: string
  /** What the button says that does it. */
  readonly action: string
  readonly children: ReactNode
  /** What to tell of a failure; by default what the history says. */
  readonly explain?: (error: unknown) => string
  /** Its dialog is taken away by who opened it. */
  onConfirm(): Promise<void>
  onClose(): void
}

/** Asks before something is done; rendered only while it is open. */
export function ConfirmDialog({ title, action, children, explain = problemOf, onConfirm, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const id = useId()
  useEffect(() => dialog.current?.showModal(), [])

  const confirm = async () => {
    setBusy(true)
    try {
      await onConfirm()
    } catch (error) {
      setProblem(explain(error))
      setBusy(false)
    }
  }
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      onClose={(event) => {
        event.stopPropagation() // React's would go on to a sheet around it
        onClose()
      }}
    >
      <h2 id={`${id}-title`}>{title}</h2>
      <p id={`${id}-text`}>{children}</p>
      {problem !== '' && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
      <div className="form-actions">
        <button type="button" className="button button-quiet" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button type="button" className="button button-primary" disabled={busy} onClick={confirm}>
          {action}
        </button>
      </div>
    </dialog>
  )
}
