import { useRef, useState } from 'react'
import { knownPeople, personOf } from '../../chat/names.ts'
import { shortMoment } from '../../history/moments.ts'
import type { Comparison, Shown, Timeline, TimelineState } from '../../history/timeline.ts'
import { useStore } from '../../hooks/use-store.ts'
import type { Restored } from '../../hooks/use-timeline.ts'
import { Icon } from '../Icon.tsx'
import { ConfirmDialog } from './ConfirmDialog.tsx'

interface Props {
  readonly timeline: Timeline
  readonly canWrite: boolean
  onRestored(restored: Restored): void
  /** Where the list isn't always there. */
  readonly onList: (() => void) | undefined
}

/** Above the text of then: when that is, and how to go elsewhere, see what changed, and have it back. */
export function HistoryBar({ timeline, canWrite, onRestored, onList }: Props) {
  const state = useStore(timeline.state)
  const { last, position, shown, playing, look, comparison, seen, versions, problem } = state
  const people = useStore(knownPeople)
  const [asking, setAsking] = useState(false)
  const slider = useRef<HTMLInputElement>(null)
  const moment = momentOf(shown)
  const author = shown?.user === undefined ? undefined : personOf(shown.user || 'The server', people)
  const isPast = shown !== undefined && shown.position < last

  return (
    <section className="history-bar" aria-label="Time">
      <div className="history-row">
        <p className="history-banner" role="status" aria-live={playing ? 'off' : 'polite'}>
          {shown === undefined ? (
            'This is the document now. Choose a session, or move the slider.'
          ) : shown.look === 'changes' && shown.comparison === seen ? (
            <>
              You are looking at what changed since you last looked, until <strong>{moment}</strong>
            </>
          ) : shown.look === 'changes' && shown.comparison === 'now' ? (
            <>
              You are looking at what changed from <strong>{moment}</strong> until now
            </>
          ) : (
            <>
              You are looking at <strong>{moment}</strong>
              {author !== undefined && <span className="history-by">, edited by {author.name}</span>}
            </>
          )}
        </p>
        {position !== undefined && (
          <button
            type="button"
            className="text-button"
            onClick={() => {
              timeline.toNow()
              slider.current?.focus() // the button has gone
            }}
          >
            Back to now
          </button>
        )}
        {problem !== undefined && <span className="history-problem">{problem}</span>}
      </div>
      <div className="history-row">
        <button
          type="button"
          className="icon-button"
          aria-label={playing ? 'Pause' : 'Play the history'}
          data-tooltip={playing ? 'Pause' : 'Play'}
          disabled={last === 0}
          onClick={() => (playing ? timeline.pause() : timeline.play())}
        >
          <Icon name={playing ? 'pause' : 'play'} />
        </button>
        <input
          ref={slider}
          type="range"
          className="history-slider"
          aria-label="Position in the history"
          aria-valuetext={valueText(state)}
          min={0}
          max={last}
          value={position ?? last}
          disabled={last === 0}
          onChange={(event) => timeline.goTo(event.target.valueAsNumber)}
        />
        {onList !== undefined && (
          <button type="button" className="button" onClick={onList}>
            Sessions
          </button>
        )}
      </div>
      {shown !== undefined && (
        <div className="history-row">
          <button
            type="button"
            className="button history-toggle"
            aria-pressed={look === 'changes'}
            onClick={() => timeline.setLook(look === 'changes' ? 'text' : 'changes')}
          >
            Show changes
          </button>
          {look === 'changes' && (
            <select
              className="field history-select"
              aria-label="Which changes"
              value={comparison}
              onChange={(event) => timeline.compare(comparisonIn(event.target.value))}
            >
              <option value="session">of this session</option>
              {seen !== undefined && seen < shown.position && <option value={seen}>since you last looked</option>}
              {versions
                .filter((version) => version.position < shown.position)
                .map(({ id, name, position }) => (
                  <option key={id} value={position}>
                    since {name}
                  </option>
                ))}
              {isPast && <option value="now">from then until now</option>}
            </select>
          )}
          <button
            type="button"
            className="button history-toggle"
            aria-pressed={look === 'authors'}
            onClick={() => timeline.setLook(look === 'authors' ? 'text' : 'authors')}
          >
            Who wrote what
          </button>
          {canWrite && isPast && (
            <button type="button" className="button button-primary history-restore" onClick={() => setAsking(true)}>
              Restore this version
            </button>
          )}
        </div>
      )}
      {asking && shown !== undefined && (
        <ConfirmDialog
          title="Restore this version?"
          action="Restore"
          onConfirm={async () => {
            const answer = await timeline.history.restore(shown.position)
            onRestored({ ...answer, moment })
          }}
          onClose={() => setAsking(false)}
        >
          The document will be as it was at <strong>{moment}</strong>, for everybody. What is written meanwhile stays,
          and you can undo it afterwards.
        </ConfirmDialog>
      )}
    </section>
  )
}

/** Of the slider, which is ahead of what is shown while that loads. */
function valueText({ position, last, shown }: TimelineState): string {
  if (position === undefined) return 'Now'
  const edit = `edit ${position} of ${last}`
  return shown?.position === position ? `${momentOf(shown)}, ${edit}` : edit
}

function momentOf(shown: Shown | undefined): string {
  if (shown === undefined) return 'now'
  return shown.at === undefined ? 'the beginning' : shortMoment(shown.at)
}

function comparisonIn(value: string): Comparison {
  return value === 'session' || value === 'now' ? value : Number(value)
}
