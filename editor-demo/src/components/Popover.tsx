import { type ReactNode, useLayoutEffect, useRef } from 'react'

const GAP = 8

interface Props {
  readonly label: string
  /** What it belongs to, in the window's coordinates. */
  anchor(): DOMRect
  /** Called when it was closed: with Escape, by a click elsewhere, or with the function that children get. */
  onClose(): void
  readonly children: (close: () => void) => ReactNode
}

/** A small dialog beside something, in the browser's top layer; rendered only while it is open. */
export function Popover({ label, anchor, onClose, children }: Props) {
  const element = useRef<HTMLDivElement>(null)

  // Once, when it appears: the browser moves the focus back when it closes.
  useLayoutEffect(() => {
    const popover = element.current
    if (popover === null) return
    popover.showPopover()
    // React's autoFocus comes too early, while it is still hidden.
    popover.querySelector<HTMLElement>('[data-autofocus]')?.focus()
    place(popover, anchor())
    const follow = () => place(popover, anchor())
    addEventListener('resize', follow)
    addEventListener('scroll', follow, { passive: true })
    return () => {
      removeEventListener('resize', follow)
      removeEventListener('scroll', follow)
    }
  }, [])

  return (
    <div
      ref={element}
      popover="auto"
      role="dialog"
      aria-label={label}
      className="popover"
      onToggle={(event) => {
        if (event.newState === 'closed') onClose()
      }}
    >
      {children(() => element.current?.hidePopover())}
    </div>
  )
}

/** Below its anchor, or above where there is no room; always inside the window. */
function place(popover: HTMLElement, anchor: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = popover
  const below = anchor.bottom + GAP
  const top = below + height + GAP > innerHeight && anchor.top > height + 2 * GAP ? anchor.top - height - GAP : below
  const left = Math.max(GAP, Math.min(anchor.left, innerWidth - width - GAP))
  popover.style.setProperty('left', `${left}px`)
  popover.style.setProperty('top', `${Math.max(GAP, top)}px`)
}
