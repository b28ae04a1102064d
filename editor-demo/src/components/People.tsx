import { useRef, useState } from 'react'
import type { Person } from '../collaboration/people.ts'
import { Avatar } from './Avatar.tsx'
import { Popover } from './Popover.tsx'

const SHOWN = 4

/** Who is here: a few faces, and all the names behind them. */
export function People({ people }: { people: readonly Person[] }) {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  if (people.length === 0) return null
  // +1 would take the place of the face it stands for.
  const shown = people.length <= SHOWN + 1 ? people : people.slice(0, SHOWN)
  const more = people.length - shown.length
  const names = people.map(nameOf).join(', ')
  return (
    <>
      <button
        ref={button}
        type="button"
        className="people"
        aria-label={`${people.length === 1 ? 'Only you are here' : `${people.length} people are here`}: ${names}`}
        aria-haspopup="dialog"
        aria-expanded={open}
        data-tooltip={names}
        onClick={() => setOpen(true)}
      >
        {shown.map((person) => (
          <span key={person.id} data-person={person.name}>
            <Avatar name={person.name} color={person.color} />
          </span>
        ))}
        {more > 0 && <span className="avatar avatar-medium avatar-more">+{more}</span>}
      </button>
      {open && (
        <Popover
          label="People here"
          anchor={() => button.current?.getBoundingClientRect() ?? new DOMRect()}
          onClose={() => setOpen(false)}
        >
          {() => (
            <ul className="people-list">
              {people.map((person) => (
                <li key={person.id}>
                  <Avatar name={person.name} color={person.color} size="small" />
                  <span>{nameOf(person)}</span>
                </li>
              ))}
            </ul>
          )}
        </Popover>
      )}
    </>
  )
}

function nameOf({ name, self }: Person): string {
  return self ? `${name} (you)` : name
}
