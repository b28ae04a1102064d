import type { Editor } from '@tiptap/core'
import { type ReactNode, useMemo, useRef, useState } from 'react'
import type { Chats } from '../chat/chats.ts'
import type { DocumentSession } from '../collaboration/document-session.ts'
import { commandGroups } from '../editor/commands.ts'
import { useDocumentChat } from '../hooks/use-document-chat.ts'
import { useSelected } from '../hooks/use-store.ts'
import type { Session } from '../session.ts'
import { ChatButton } from './chat/ChatButton.tsx'
import { ChatSide } from './chat/ChatSide.tsx'
import { EditorPane } from './EditorPane.tsx'
import { LinkPopover } from './LinkPopover.tsx'
import { Refused } from './Refused.tsx'
import { Toolbar } from './Toolbar.tsx'
import { TopBar } from './TopBar.tsx'

interface Props {
  readonly session: Session
  readonly chats: Chats
  readonly document: DocumentSession
  readonly menuButton: ReactNode
  readonly autoFocus: boolean
}

/** One document with all that belongs to it; made anew for each. */
export function DocumentPane({ session, chats, document, menuButton, autoFocus }: Props) {
  const ready = useSelected(document.view, (view) => view.ready)
  const offline = useSelected(document.view, (view) => view.status.kind === 'offline')
  const readOnly = useSelected(document.view, (view) => view.status.kind === 'read-only')
  const refused = useSelected(document.view, (view) => (view.status.kind === 'refused' ? view.status : undefined))
  const [editor, setEditor] = useState<Editor | null>(null)
  const [linking, setLinking] = useState(false)
  const toolbar = useRef<HTMLDivElement>(null)
  const chat = useDocumentChat({ chats, self: session.identity.id, document, editor })
  const groups = useMemo(
    () => commandGroups(() => setLinking(true), chat.room === undefined ? undefined : chat.comment),
    [chat.room, chat.comment],
  )

  return (
    <div className="pane">
      <div className="pane-main">
        <header className="head">
          <TopBar
            document={document}
            menuButton={menuButton}
            chatButton={<ChatButton chat={chat} />}
            unreadFrom={chat.unreadFrom}
            onMessage={chat.openDirect}
          />
          {ready && (
            <div className="toolbar-row">
              {editor !== null && <Toolbar ref={toolbar} editor={editor} groups={groups} />}
            </div>
          )}
        </header>
        {refused !== undefined && <Refused document={document} status={refused} full={!ready} />}
        {ready ? (
          <EditorPane
            document={document}
            identity={session.identity}
            editable={!readOnly && refused === undefined}
            autoFocus={autoFocus}
            onEditor={setEditor}
            onLink={() => setLinking(true)}
            onComment={chat.comment}
            onToolbar={() => toolbar.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus()}
          />
        ) : (
          refused === undefined && <Waiting offline={offline} />
        )}
        {linking && editor !== null && <LinkPopover editor={editor} onClose={() => setLinking(false)} />}
      </div>
      <ChatSide chats={chats} chat={chat} editor={editor} />
    </div>
  )
}

/** Not an empty document: nobody has seen the document yet. */
function Waiting({ offline }: { offline: boolean }) {
  return (
    <div className="page waiting" aria-busy={!offline}>
      {offline ? (
        <p>This browser has no copy of this document. It opens when the server can be reached again.</p>
      ) : (
        <>
          <span className="visually-hidden">Loading…</span>
          <span className="bone bone-title" />
          <span className="bone" />
          <span className="bone" />
          <span className="bone bone-short" />
        </>
      )}
    </div>
  )
}
