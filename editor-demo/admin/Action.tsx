import { type ReactNode, useState } from 'react'
import { ConfirmDialog } from '../src/components/history/ConfirmDialog.tsx'
import { wordsFor } from './api.ts'

interface Props {
  /** What the button says. */
  readonly label: string
  /** What screen readers hear, where there are several with the same label. */
  readonly name?: string
  readonly title: string
  /** What happens. */
  readonly children: ReactNode
  readonly isDangerous?: boolean
  onConfirm(): Promise<void>
}

/** A button for something that is asked about before it is done. */
export function Action({ label, name, title, children, isDangerous = false, onConfirm }: Props) {
  const [isOpen, setOpen] = useState(false)
  const confirm = async () => {
    await onConfirm()
    setOpen(false)
  }
  return (
    <>
      <button
        type="button"
        className={isDangerous ? 'button button-danger' : 'button'}
        aria-label={name}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {isOpen && (
        <ConfirmDialog
          title={title}
          action={label}
          explain={wordsFor}
          onConfirm={confirm}
          onClose={() => setOpen(false)}
        >
          {children}
        </ConfirmDialog>
      )}
    </>
  )
}
