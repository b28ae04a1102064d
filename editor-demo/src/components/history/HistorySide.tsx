import type { HistoryView } from '../../hooks/use-timeline.ts'
import { SidePanel } from '../SidePanel.tsx'
import { HistoryPanel } from './HistoryPanel.tsx'

interface Props {
  readonly history: HistoryView
  readonly canWrite: boolean
  readonly isSheet: boolean
  /** Of a sheet: whether it is there now. */
  readonly isListed: boolean
  onListed(isListed: boolean): void
}

/** The list of sessions. As a sheet it makes room for the text when something is chosen. */
export function HistorySide({ history, canWrite, isSheet, isListed, onListed }: Props) {
  const { timeline } = history
  if (timeline === undefined || (isSheet && !isListed)) return null
  const leave = () => {
    onListed(false)
    if (!isSheet || timeline.state.get().position === undefined) history.close()
    history.button.current?.focus()
  }
  return (
    <SidePanel label="History" className="history" onClose={leave}>
      <HistoryPanel timeline={timeline} canWrite={canWrite} onChosen={() => onListed(false)} onClose={leave} />
    </SidePanel>
  )
}
