import { useRef, useState } from 'react'
import type { DirectChatHint } from '../chat/direct-chats.ts'
import type { Person } from '../people.ts'
import { AgentLabel } from './AgentLabel.tsx'
import { Avatar } from './Avatar.tsx'
import { Badge } from './Badge.tsx'
import { Icon } from './Icon.tsx'
import { Popover } from './Popover.tsx'

const SHOWN = 4

interface Props {
  readonly people: readonly Person[]
  /** How many more there are, in a crowd. */
  readonly unseen: number
  /** Who has written something that was not read yet. */
  readonly unreadFrom: readonly DirectChatHint[]
  onMessage(user: string): void
}

/** Who is here: a few faces, and all the names behind them, each leading to a direct chat. */
export function People({ people, unseen, unreadFrom, onMessage }: Props) {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  if (people.length === 0) return null
  // +1 would take the place of the face it stands for.
  const count = people.length + unseen
  const shown = count <= SHOWN + 1 ? people : people.slice(0, SHOWN)
  const more = count - shown.length
  const names = people.map(nameOf).join(', ')
  return (
    <>
      <button
        ref={button}
        type="button"
        className="people"
        aria-label={`${count === 1 ? 'Only you are here' : `${count} people are here`}: ${names}`}
        aria-haspopup="dialog"
        aria-expanded={open}
        data-tooltip={names}
        onClick={() => setOpen(true)}
      >
        {shown.map((person) => (
          <span key={person.id} data-person={person.name}>
            <Avatar name={person.name} color={person.color} kind={person.kind} />
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
          {(close) => (
            <ul className="people-list">
              {people.map((person) => (
                <li key={person.id}>
                  <Avatar name={person.name} color={person.color} kind={person.kind} size="small" />
                  <span className="people-name">
                    {ownNameOf(person)} {person.kind === 'agent' && <AgentLabel />}
                  </span>
                  {!person.self && (
                    <MessageButton
                      name={person.name}
                      unread={unreadFrom.find(({ user }) => user === person.id)?.unread ?? 0}
                      onClick={() => {
                        close()
                        onMessage(person.id)
                      }}
                    />
                  )}
                </li>
              ))}
              {unseen > 0 && <li className="people-name">and {unseen} more</li>}
            </ul>
          )}
        </Popover>
      )}
    </>
  )
}

interface MessageButtonProps {
  readonly name: string
  readonly unread: number
  onClick(): void
}

function MessageButton({ name, unread, onClick }: MessageButtonProps) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Message ${name}${unread > 0 ? `, ${unread} unread` : ''}`}
      onClick={onClick}
    >
      <Icon name="chat" size={18} />
      <Badge count={unread} />
    </button>
  )
}

function nameOf(person: Person): string {
  return person.kind === 'agent' ? `${person.name} (agent)` : ownNameOf(person)
}

function ownNameOf({ name, self }: Person): string {
  return self ? `${name} (you)` : name
}
