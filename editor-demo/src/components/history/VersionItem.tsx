import { useEffect, useRef, useState } from 'react'
import type { NamedVersion } from '../../../../client/index.ts'
import { shortMoment } from '../../history/moments.ts'
import type { Timeline } from '../../history/timeline.ts'
import type { Person } from '../../people.ts'
import { Icon } from '../Icon.tsx'
import { ConfirmDialog } from './ConfirmDialog.tsx'
import { NameForm } from './NameForm.tsx'

interface Props {
  readonly version: NamedVersion
  readonly author: Person
  readonly isShown: boolean
  readonly timeline: Timeline
  readonly canWrite: boolean
  onChosen(): void
}

/** A position that has a name; who may write may change that, or take it away. */
export function VersionItem({ version, author, isShown, timeline, canWrite, onChosen }: Props) {
  const { id, name, position, at } = version
  const [doing, setDoing] = useState<'rename' | 'delete'>()
  const renameButton = useRef<HTMLButtonElement>(null)
  const wasRenaming = useRef(false)
  // The form has gone.
  useEffect(() => {
    if (wasRenaming.current && doing === undefined) renameButton.current?.focus()
    wasRenaming.current = doing === 'rename'
  }, [doing])
  const done = async () => {
    setDoing(undefined)
    await timeline.refresh()
  }
  if (doing === 'rename') {
    return (
      <li className="history-renaming">
        <NameForm
          label={`New name of ${name}`}
          initial={name}
          onSave={async (text) => {
            await timeline.history.renameVersion(id, text)
            await done()
          }}
          onCancel={() => setDoing(undefined)}
        />
      </li>
    )
  }
  return (
    <li className="history-version">
      <button
        type="button"
        className="history-entry"
        aria-current={isShown}
        onClick={() => {
          timeline.goTo(position)
          onChosen()
        }}
      >
        <span className="history-mark">
          <Icon name="bookmark" size={18} />
        </span>
        <span className="history-who">{name}</span>
        <span className="history-when">
          {shortMoment(at)}, by {author.name}
        </span>
      </button>
      {canWrite && (
        <>
          <button
            ref={renameButton}
            type="button"
            className="icon-button"
            aria-label={`Rename ${name}`}
            data-tooltip="Rename"
            onClick={() => setDoing('rename')}
          >
            <Icon name="edit" size={18} />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={`Delete ${name}`}
            data-tooltip="Delete the name"
            onClick={() => setDoing('delete')}
          >
            <Icon name="trash" size={18} />
          </button>
        </>
      )}
      {doing === 'delete' && (
        <ConfirmDialog
          title={`Delete “${name}”?`}
          action="Delete"
          onConfirm={async () => {
            await timeline.history.deleteVersion(id)
            await done()
          }}
          onClose={() => setDoing(undefined)}
        >
          Only the name goes; the text of that time stays in the history.
        </ConfirmDialog>
      )}
    </li>
  )
}
