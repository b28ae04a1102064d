import type { MentionCompletion } from '../../hooks/use-mention-completion.ts'
import { Avatar } from '../Avatar.tsx'

/** The names that fit what is being written. The focus stays in the text: the keys are heard there. */
export function MentionList({ completion }: { completion: MentionCompletion }) {
  const { matches, active, listId, optionId, setActive, pick } = completion
  return (
    <>
      {matches.length > 0 && (
        <div id={listId} role="listbox" aria-label="People to mention" className="mention-list">
          {matches.map((person, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus, and the keys
            <div
              key={person.id}
              id={optionId(index)}
              role="option"
              tabIndex={-1}
              aria-selected={index === active}
              className="mention-option"
              onPointerMove={() => setActive(index)}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => pick(person)}
            >
              <Avatar name={person.name} color={person.color} size="small" />
              <span>{person.name}</span>
            </div>
          ))}
        </div>
      )}
      <p className="visually-hidden" role="status">
        {matches.length === 0 ? '' : `${matches.length === 1 ? 'One person' : `${matches.length} people`} to mention`}
      </p>
    </>
  )
}
