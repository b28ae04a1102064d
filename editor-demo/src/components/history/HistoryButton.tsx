import type { HistoryView } from '../../hooks/use-timeline.ts'
import { Icon } from '../Icon.tsx'

/** Opens and closes the history. */
export function HistoryButton({ history }: { history: HistoryView }) {
  const isOpen = history.timeline !== undefined
  return (
    <button
      ref={history.button}
      type="button"
      className="icon-button chat-button"
      aria-label="History"
      aria-expanded={isOpen}
      data-tooltip="History"
      onClick={isOpen ? history.close : history.open}
    >
      <Icon name="history" />
    </button>
  )
}
