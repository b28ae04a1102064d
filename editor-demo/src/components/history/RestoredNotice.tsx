import { useState } from 'react'
import { problemOf } from '../../history/problems.ts'
import type { Restored } from '../../hooks/use-timeline.ts'

interface Props {
  readonly restored: Restored
  /** Takes it back. */
  onUndo(): Promise<void>
  onDismiss(): void
}

/** Says that the document has been restored, and offers to take that back. */
export function RestoredNotice({ restored, onUndo, onDismiss }: Props) {
  const [state, setState] = useState<'restored' | 'undoing' | 'undone'>('restored')
  const [problem, setProblem] = useState<string>()
  const undo = async () => {
    setState('undoing')
    try {
      await onUndo()
      setState('undone')
      setProblem(undefined)
    } catch (error) {
      setState('restored')
      setProblem(problemOf(error))
    }
  }
  return (
    <div className="banner history-restored">
      <p role="status">{problem ?? wordsFor(restored, state === 'undone')}</p>
      {restored.changed && state !== 'undone' && (
        <button type="button" className="button" disabled={state === 'undoing'} onClick={undo}>
          Undo the restore
        </button>
      )}
      <button type="button" className="button button-quiet" onClick={onDismiss}>
        Dismiss
      </button>
    </div>
  )
}

function wordsFor({ changed, moment }: Restored, isUndone: boolean): string {
  if (isUndone) return 'The restore has been undone.'
  if (!changed) return `Nothing has changed since ${moment}: there was nothing to restore.`
  return `The version of ${moment} has been restored. What others wrote meanwhile is kept.`
}
