import { useRef, useState } from 'react'
import { type ChosenStatus, chosenStatuses } from '../../../../model/lobby.ts'
import type { Member } from '../../lobby/members.ts'
import { Avatar } from '../Avatar.tsx'
import { Icon } from '../Icon.tsx'
import { Popover } from '../Popover.tsx'
import { StatusDot, statusNames } from './StatusDot.tsx'

const meanings: Readonly<Record<ChosenStatus, string>> = {
  online: 'Away after five minutes without you',
  away: 'Shown as away until you change it',
  busy: 'Asks the others not to disturb you',
}

interface Props {
  readonly member: Member
  readonly canChoose: boolean
  onChoose(status: ChosenStatus): void
}

/** How the others see oneself, and a choice of it. */
export function OwnStatus({ member, canChoose, onChoose }: Props) {
  const { name, color, status, activity } = member
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  return (
    <li>
      <button
        ref={button}
        type="button"
        className="member"
        data-status={status}
        aria-label={`Your status: ${statusNames[status]}`}
        aria-haspopup="dialog"
        aria-expanded={open}
        data-tooltip="Set your status"
        disabled={!canChoose}
        onClick={() => setOpen(true)}
      >
        <span className="member-face">
          <Avatar name={name} color={color} />
          <StatusDot status={status} />
        </span>
        <span className="member-words">
          <span className="member-name">{name} (you)</span>
          <span className="member-detail">
            {statusNames[status]}
            {activity !== undefined && status !== 'offline' && ` · ${activity}`}
          </span>
        </span>
        <Icon name="down" size={16} />
      </button>
      {open && (
        <Popover
          label="Your status"
          anchor={() => button.current?.getBoundingClientRect() ?? new DOMRect()}
          onClose={() => setOpen(false)}
        >
          {(close) => (
            <ul className="status-choice">
              {chosenStatuses.map((choice) => (
                <li key={choice}>
                  <button
                    type="button"
                    aria-label={statusNames[choice]}
                    aria-description={meanings[choice]}
                    aria-pressed={choice === status}
                    {...(choice === status ? { 'data-autofocus': true } : {})}
                    onClick={() => {
                      onChoose(choice)
                      close()
                    }}
                  >
                    <StatusDot status={choice} />
                    <span>
                      <span className="status-name">{statusNames[choice]}</span>
                      <span className="status-meaning">{meanings[choice]}</span>
                    </span>
                    {choice === status && <Icon name="check" size={16} />}
                  </button>
                </li>
              ))}
            </ul>
          )}
        </Popover>
      )}
    </li>
  )
}
