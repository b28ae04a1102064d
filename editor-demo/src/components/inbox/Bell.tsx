import { useRef, useState } from 'react'
import { useInbox } from '../../../../client/react/index.ts'
import { Badge } from '../Badge.tsx'
import { Icon } from '../Icon.tsx'
import { Popover } from '../Popover.tsx'
import { NewNotification } from './NewNotification.tsx'
import { NotificationList } from './NotificationList.tsx'

interface Props {
  /** Shows what a link leads to; returns false for one that leads elsewhere. */
  onFollow(link: string): boolean
}

/** How many notifications are unread, and behind it all of them. */
export function Bell({ onFollow }: Props) {
  const inbox = useInbox()
  const { unread } = inbox
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  return (
    <>
      <button
        ref={button}
        type="button"
        className="icon-button bell"
        aria-label={unread > 0 ? `Notifications, ${unread} unread` : 'Notifications'}
        aria-haspopup="dialog"
        aria-expanded={open}
        data-tooltip="Notifications"
        onClick={() => setOpen(true)}
      >
        <Icon name="bell" />
        <Badge count={unread} />
      </button>
      <NewNotification inbox={inbox} />
      {open && (
        <Popover
          label="Notifications"
          anchor={() => button.current?.getBoundingClientRect() ?? new DOMRect()}
          onClose={() => setOpen(false)}
        >
          {(close) => (
            <NotificationList
              inbox={inbox}
              onFollow={(link) => {
                const isHere = onFollow(link)
                if (isHere) close()
                return isHere
              }}
            />
          )}
        </Popover>
      )}
    </>
  )
}
