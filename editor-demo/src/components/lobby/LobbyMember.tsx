import type { Member } from '../../lobby/members.ts'
import { Avatar } from '../Avatar.tsx'
import { ago } from '../age.ts'
import { Badge } from '../Badge.tsx'
import { StatusDot, statusNames } from './StatusDot.tsx'

interface Props {
  readonly member: Member
  readonly unread: number
  /** Whether it is known now who is there. */
  readonly isKnown: boolean
  readonly now: number
  onChat(user: string): void
}

/** Somebody of the lobby: leads to the direct chat with them. */
export function LobbyMember({ member, unread, isKnown, now, onChat }: Props) {
  const { user, name, color, status, activity = '' } = member
  const detail = isKnown ? detailOf(member, now) : ''
  const words = isKnown ? (status === 'offline' ? [detail] : [statusNames[status], activity]) : []
  const label = [name, ...words, unread > 0 ? `${unread} unread` : '']
  return (
    <li>
      <button
        type="button"
        className="member"
        data-status={isKnown ? status : 'offline'}
        aria-label={label.filter((part) => part !== '').join(', ')}
        data-tooltip={`Message ${name}`}
        onClick={() => onChat(user)}
      >
        <span className="member-face">
          <Avatar name={name} color={color} />
          {isKnown && <StatusDot status={status} />}
        </span>
        <span className="member-words">
          <span className="member-name">{name}</span>
          {detail !== '' && <span className="member-detail">{detail}</span>}
        </span>
        <Badge count={unread} />
      </button>
    </li>
  )
}

/** The second line: what they do, or since when they are away. */
export function detailOf({ status, activity, lastSeen }: Member, now: number): string {
  if (status === 'offline') return lastSeen === undefined ? 'Offline' : `Last seen ${ago(lastSeen, now)}`
  return [status === 'online' && activity !== undefined ? '' : statusNames[status], activity ?? '']
    .filter((part) => part !== '')
    .join(' · ')
}
