import { useRef } from 'react'
import type { InboxView } from '../../../../client/react/index.ts'
import { knownPeople, personOf } from '../../chat/names.ts'
import { useNow } from '../../hooks/use-now.ts'
import { useStore } from '../../hooks/use-store.ts'
import { headlineOf } from '../../inbox/words.ts'
import { titles } from '../../titles.ts'
import { Icon } from '../Icon.tsx'
import { NotificationItem } from './NotificationItem.tsx'

interface Props {
  readonly inbox: InboxView
  onFollow(link: string): boolean
}

/** The notifications, the newest first. */
export function NotificationList({ inbox, onFollow }: Props) {
  const { notifications, unread, ready, markRead, markAllRead, dismiss } = inbox
  const people = useStore(knownPeople)
  const known = useStore(titles)
  const now = useNow()
  const list = useRef<HTMLDivElement>(null)

  const remove = (id: string) => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>('[data-notification]') ?? [])]
    const index = items.findIndex(({ dataset }) => dataset.notification === id)
    const next = items[index + 1] ?? items[index - 1]
    dismiss(id)
    // What had the focus has gone.
    const focused = next?.querySelector<HTMLElement>('.notification-dismiss') ?? list.current
    focused?.focus()
  }

  return (
    <div ref={list} className="inbox" tabIndex={-1} data-autofocus>
      <div className="inbox-head">
        <h2>Notifications</h2>
        {unread > 0 && (
          <button
            type="button"
            className="text-button"
            onClick={() => {
              markAllRead()
              list.current?.focus()
            }}
          >
            Mark all read
          </button>
        )}
      </div>
      {notifications.length > 0 ? (
        <ul>
          {notifications.map((notification) => (
            <NotificationItem
              key={notification.id}
              notification={notification}
              headline={headlineOf(notification, people, known)}
              person={notification.from === undefined ? undefined : personOf(notification.from, people)}
              now={now}
              onOpen={() => markRead(notification.id)}
              onFollow={onFollow}
              onDismiss={() => remove(notification.id)}
            />
          ))}
        </ul>
      ) : (
        <div className="inbox-empty">
          <Icon name="bell" size={28} />
          <p>{ready ? 'Nothing new' : 'Loading…'}</p>
          {ready && <p>Mentions, replies and missed calls will be here.</p>}
        </div>
      )}
    </div>
  )
}
