import { useEffect, useRef } from 'react'

/** At the end of the list: scrolling to it is enough. */
export function EarlierButton({ onLoad }: { onLoad(): void }) {
  const button = useRef<HTMLButtonElement>(null)
  const load = useRef(onLoad)
  load.current = onLoad
  useEffect(() => {
    if (button.current === null) return
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) load.current()
    })
    observer.observe(button.current)
    return () => observer.disconnect()
  }, [])
  return (
    <button ref={button} type="button" className="button button-quiet history-earlier" onClick={onLoad}>
      Show earlier
    </button>
  )
}
