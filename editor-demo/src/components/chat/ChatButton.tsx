import type { DocumentChat } from '../../hooks/use-document-chat.ts'
import { Badge } from '../Badge.tsx'
import { Icon } from '../Icon.tsx'

/** Opens and closes the chat; says how much in it, and in the direct chats, is unread. */
export function ChatButton({ chat }: { chat: DocumentChat }) {
  if (chat.room === undefined) return null
  const unread = chat.unread + chat.unreadFrom.reduce((sum, { unread }) => sum + unread, 0)
  return (
    <button
      ref={chat.button}
      type="button"
      className="icon-button chat-button"
      aria-label={unread > 0 ? `Chat, ${unread} unread` : 'Chat'}
      aria-expanded={chat.isOpen}
      data-tooltip="Chat"
      onClick={chat.isOpen ? chat.close : chat.open}
    >
      <Icon name="chat" />
      <Badge count={unread} />
    </button>
  )
}
