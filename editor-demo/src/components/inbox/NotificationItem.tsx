import type { MouseEvent } from 'react'
import type { Notification } from '../../../../client/index.ts'
import type { Person } from '../../people.ts'
import { Avatar } from '../Avatar.tsx'
import { ago } from '../age.ts'
import { momentOf } from '../chat/times.ts'
import { Icon, type IconName } from '../Icon.tsx'

const icons: Readonly<Partial<Record<string, IconName>>> = {
  mention: 'mention',
  reply: 'reply',
  'missed-call': 'phone',
}

interface Props {
  readonly notification: Notification
  /** What it says in one line. */
  readonly headline: string
  readonly person: Person | undefined
  readonly now: number
  /** It has been seen. */
  onOpen(): void
  onFollow(link: string): boolean
  onDismiss(): void
}

export function NotificationItem({ notification, headline, person, now, onOpen, onFollow, onDismiss }: Props) {
  const { id, kind, body, link, at, readAt } = notification
  const isUnread = readAt === undefined
  const icon = icons[kind] ?? 'bell'
  const words = (
    <>
      <span className="notification-face">
        {person === undefined ? (
          <span className="avatar avatar-medium notification-sign">
            <Icon name={icon} size={18} />
          </span>
        ) : (
          <>
            <Avatar name={person.name} color={person.color} />
            <span className="notification-kind">
              <Icon name={icon} size={12} />
            </span>
          </>
        )}
      </span>
      <span className="notification-words">
        <span className="notification-title">
          {isUnread && <span className="visually-hidden">Unread: </span>}
          {headline}
        </span>
        {body !== '' && <span className="notification-body">{body}</span>}
        <time dateTime={new Date(at).toISOString()} title={momentOf(at)}>
          {ago(at, now)}
        </time>
      </span>
    </>
  )
  return (
    <li data-notification={id} data-unread={isUnread}>
      {isLink(link) ? (
        <a
          href={link}
          className="notification"
          {...(link.startsWith('/') ? {} : { target: '_blank', rel: 'noopener noreferrer' })}
          onClick={(event) => {
            onOpen()
            if (!isPlain(event)) return
            if (onFollow(link)) event.preventDefault()
          }}
        >
          {words}
        </a>
      ) : (
        <button type="button" className="notification" onClick={onOpen}>
          {words}
        </button>
      )}
      <button
        type="button"
        className="mini-button notification-dismiss"
        aria-label={`Dismiss: ${headline}`}
        data-tooltip="Dismiss"
        onClick={onDismiss}
      >
        <Icon name="close" size={16} />
      </button>
    </li>
  )
}

/** Nothing that a click would run: whoever can notify chooses it. */
function isLink(link: string): boolean {
  return /^(\/(?![/\\])|https?:\/\/)/i.test(link)
}

/** Otherwise the browser opens another tab, or saves it. */
function isPlain({ metaKey, ctrlKey, shiftKey, altKey }: MouseEvent): boolean {
  return !(metaKey || ctrlKey || shiftKey || altKey)
}
