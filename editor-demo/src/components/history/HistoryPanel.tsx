import { useEffect, useRef, useState } from 'react'
import { knownPeople, personOf } from '../../chat/names.ts'
import { entriesOf } from '../../history/sessions.ts'
import type { Timeline } from '../../history/timeline.ts'
import { useStore } from '../../hooks/use-store.ts'
import { Icon } from '../Icon.tsx'
import { EarlierButton } from './EarlierButton.tsx'
import { NameForm } from './NameForm.tsx'
import { SessionItem } from './SessionItem.tsx'
import { VersionItem } from './VersionItem.tsx'

interface Props {
  readonly timeline: Timeline
  readonly canWrite: boolean
  /** Something was chosen in it. */
  onChosen(): void
  onClose(): void
}

/** Who edited the document when, and the versions that have names, newest first. */
export function HistoryPanel({ timeline, canWrite, onChosen, onClose }: Props) {
  const { sessions, versions, next, loaded, position, comparison, problem } = useStore(timeline.state)
  const people = useStore(knownPeople)
  const [naming, setNaming] = useState(false)
  const title = useRef<HTMLHeadingElement>(null)
  useEffect(() => title.current?.focus(), [])

  const endNaming = () => {
    setNaming(false)
    title.current?.focus() // the form has gone
  }
  const name = async (text: string) => {
    await timeline.history.nameVersion(text, position)
    endNaming()
    await timeline.refresh()
  }
  const entries = entriesOf(sessions, versions, next)
  const chosenSession = comparison === 'session' && sessions.find(({ lastPosition }) => lastPosition === position)
  return (
    <>
      <div className="side-head">
        <h2 ref={title} tabIndex={-1}>
          History
        </h2>
        <button type="button" className="icon-button" aria-label="Close the history" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {canWrite && loaded && entries.length > 0 && (
        <div className="history-naming">
          {naming ? (
            <NameForm
              label={position === undefined ? 'Name of the version of now' : 'Name of the version that is shown'}
              initial=""
              onSave={name}
              onCancel={endNaming}
            />
          ) : (
            <button type="button" className="button" onClick={() => setNaming(true)}>
              <Icon name="bookmark" size={18} /> Name this version
            </button>
          )}
        </div>
      )}
      {problem !== undefined && (
        <p className="chat-notice chat-offline" role="alert">
          {problem}{' '}
          <button type="button" className="text-button" onClick={() => timeline.refresh()}>
            Try again
          </button>
        </p>
      )}
      <div className="history-scroll" aria-busy={!loaded && problem === undefined}>
        <ol className="history-list" aria-label="Sessions and versions">
          {entries.map((entry) =>
            entry.kind === 'version' ? (
              <VersionItem
                key={entry.version.id}
                version={entry.version}
                author={personOf(entry.version.author, people)}
                isShown={!chosenSession && entry.version.position === position}
                timeline={timeline}
                canWrite={canWrite}
                onChosen={onChosen}
              />
            ) : (
              <SessionItem
                key={`${entry.session.user} ${entry.session.firstPosition}`}
                session={entry.session}
                author={personOf(entry.session.user || 'The server', people)}
                isShown={entry.session === chosenSession}
                onChoose={() => {
                  timeline.goToSession(entry.session)
                  onChosen()
                }}
              />
            ),
          )}
        </ol>
        {loaded && entries.length === 0 && <p className="history-empty">Nothing has been written here yet.</p>}
        {next !== undefined && <EarlierButton key={next} onLoad={() => timeline.loadEarlier()} />}
      </div>
    </>
  )
}
