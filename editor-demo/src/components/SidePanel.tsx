import { type ReactNode, useEffect, useLayoutEffect, useRef } from 'react'
import { useMedia } from '../hooks/use-media.ts'

/** Where there is no room for a column beside the text. */
export function useIsSheet(): boolean {
  return useMedia('(max-width: 1100px)')
}

interface Props {
  readonly label: string
  /** Of what is in it, for its styles. */
  readonly className: string
  /** Only a sheet closes by itself: with Escape, or by a click beside it. */
  onClose(): void
  readonly children: ReactNode
}

/** A column beside the text, and where there is no room for one, a sheet above it. */
export function SidePanel(props: Props) {
  return useIsSheet() ? <Sheet {...props} /> : <Column {...props} />
}

function Column({ label, className, children }: Props) {
  return (
    <aside className={`side-panel ${className}`} aria-label={label}>
      {children}
    </aside>
  )
}

function Sheet({ label, className, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const close = useRef(onClose)
  useEffect(() => {
    close.current = onClose
  })
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself
    <dialog
      ref={dialog}
      className={`side-panel side-sheet ${className}`}
      aria-label={label}
      onClose={(event) => {
        if (event.target === event.currentTarget && !event.currentTarget.open) close.current()
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) close.current() // beside it
      }}
    >
      {children}
    </dialog>
  )
}
