import { useEffect, useRef } from 'react'

const DELAY_MS = 400
const GAP = 6

/**
 * One tooltip for the whole page, for elements with `data-tooltip`. It is for the eye only: such elements have an
 * accessible name of their own. Shown on hover and keyboard focus, put away with Escape.
 */
export function Tooltips() {
  const element = useRef<HTMLDivElement>(null)

  useEffect(() => {
    const tooltip = element.current
    return tooltip === null ? undefined : follow(tooltip)
  }, [])

  return <div ref={element} className="tooltip" popover="manual" aria-hidden="true" />
}

function follow(tooltip: HTMLElement): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const hide = () => {
    clearTimeout(timer)
    if (tooltip.matches(':popover-open')) tooltip.hidePopover()
  }
  const show = (target: Element) => {
    tooltip.textContent = target.getAttribute('data-tooltip')
    tooltip.showPopover()
    place(tooltip, target.getBoundingClientRect())
  }
  const over = (event: Event) => {
    const target = event.target instanceof Element ? event.target.closest('[data-tooltip]') : null
    hide()
    if (target === null) return
    if (event.type === 'focusin') {
      // A popover that closes gives the focus back, and the browser opens no other one meanwhile.
      timer = setTimeout(() => {
        if (target.matches(':focus-visible')) show(target)
      })
    } else if (event instanceof PointerEvent && event.pointerType === 'mouse') {
      timer = setTimeout(() => {
        if (target.isConnected) show(target)
      }, DELAY_MS)
    }
  }
  const key = (event: KeyboardEvent) => {
    if (event.key === 'Escape') hide()
  }
  const listeners = new AbortController()
  const options = { signal: listeners.signal }
  document.addEventListener('pointerover', over, options)
  document.addEventListener('focusin', over, options)
  document.addEventListener('focusout', hide, options)
  document.addEventListener('pointerdown', hide, options)
  document.addEventListener('keydown', key, options)
  document.addEventListener('scroll', hide, { ...options, passive: true })
  return () => {
    hide()
    listeners.abort()
  }
}

function place(tooltip: HTMLElement, anchor: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = tooltip
  const center = anchor.left + anchor.width / 2 - width / 2
  const below = anchor.bottom + GAP
  const top = below + height > innerHeight ? anchor.top - height - GAP : below
  tooltip.style.setProperty('left', `${Math.max(GAP, Math.min(center, innerWidth - width - GAP))}px`)
  tooltip.style.setProperty('top', `${top}px`)
}
