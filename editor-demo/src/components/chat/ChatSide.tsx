import type { Editor } from '@tiptap/core'
import { directChat } from '../../../../client/index.ts'
import { useChat } from '../../../../client/react/index.ts'
import type { ChatMessage } from '../../../../model/chat.ts'
import { knownPeople, personOf } from '../../chat/names.ts'
import { highlightComment } from '../../editor/comment-marks.ts'
import { placeOf } from '../../editor/comment-places.ts'
import type { DocumentChat } from '../../hooks/use-document-chat.ts'
import { useStore } from '../../hooks/use-store.ts'
import { Badge } from '../Badge.tsx'
import { SidePanel, useIsSheet } from '../SidePanel.tsx'
import { ChatPanel } from './ChatPanel.tsx'

interface Props {
  readonly chat: DocumentChat
  readonly editor: Editor | null
}

/** The open chat: a column beside the text, and where there is no room for one, a sheet above it. */
export function ChatSide({ chat, editor }: Props) {
  const { partner, isOpen, close } = chat
  const isSheet = useIsSheet()
  const direct = useChat(partner === undefined ? undefined : directChat(chat.self, partner))
  const shown = partner === undefined ? chat.chat : direct.chat
  if (!isOpen || shown === undefined) return null

  const showText = (message: ChatMessage) => {
    if (editor === null || message.anchor === undefined) return
    if (isSheet) close()
    showRange(editor, message)
  }
  return (
    <SidePanel label="Chat" className="chat" onClose={close}>
      <ChatPanel
        key={shown.room}
        chat={shown}
        self={chat.self}
        partner={partner}
        editor={editor}
        quotes={chat.quotes}
        newComment={partner === undefined ? chat.newComment : undefined}
        wanted={chat.wanted?.partner === partner ? chat.wanted?.message : undefined}
        onShown={chat.endWanted}
        onCommentDone={chat.endComment}
        onShowText={showText}
        onBack={chat.leaveDirect}
        onClose={close}
        autoFocus={chat.wasOpened}
      >
        {partner === undefined && <DirectHints chat={chat} />}
      </ChatPanel>
    </SidePanel>
  )
}

/** Who has written in a direct chat. */
function DirectHints({ chat }: { chat: DocumentChat }) {
  const people = useStore(knownPeople)
  if (chat.unreadFrom.length === 0) return null
  return (
    <ul className="direct-hints">
      {chat.unreadFrom.map(({ user, unread }) => {
        const { name } = personOf(user, people)
        return (
          <li key={user}>
            <button
              type="button"
              className="direct-hint"
              aria-label={`${name} wrote to you, ${unread} unread`}
              onClick={() => chat.openDirect(user)}
            >
              <span>{name} wrote to you</span>
              <Badge count={unread} />
            </button>
          </li>
        )
      })}
    </ul>
  )
}

function showRange(editor: Editor, { id, anchor }: ChatMessage): void {
  const range = anchor && placeOf(editor.state, { id, anchor })
  if (range === undefined) return
  highlightComment(editor, id)
  const { node } = editor.view.domAtPos(range.from)
  const element = node instanceof Element ? node : node.parentElement
  element?.scrollIntoView({ block: 'center' })
}
