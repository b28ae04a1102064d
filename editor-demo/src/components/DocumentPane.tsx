import type { Editor } from '@tiptap/core'
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import type { CollaborativeDocument } from '../../../client/index.ts'
import type { DocumentView } from '../../../client/react/index.ts'
import type { Account } from '../account.ts'
import type { DirectChats } from '../chat/direct-chats.ts'
import { commandGroups } from '../editor/commands.ts'
import { nothingShown } from '../history/timeline.ts'
import type { Unseen } from '../history/unseen.ts'
import { useDocumentChat } from '../hooks/use-document-chat.ts'
import { usePeople } from '../hooks/use-people.ts'
import { useRefusedChange } from '../hooks/use-refused-change.ts'
import { useStore } from '../hooks/use-store.ts'
import { useTimeline } from '../hooks/use-timeline.ts'
import { useUnseen } from '../hooks/use-unseen.ts'
import type { ChatTarget } from '../route.ts'
import { CallWindow } from './call/CallWindow.tsx'
import { ChatButton } from './chat/ChatButton.tsx'
import { ChatSide } from './chat/ChatSide.tsx'
import { EditorPane } from './EditorPane.tsx'
import { HistoryBar } from './history/HistoryBar.tsx'
import { HistoryButton } from './history/HistoryButton.tsx'
import { HistorySide } from './history/HistorySide.tsx'
import { HistoryText } from './history/HistoryText.tsx'
import { RestoredNotice } from './history/RestoredNotice.tsx'
import { UnseenNotice } from './history/UnseenNotice.tsx'
import { LinkPopover } from './LinkPopover.tsx'
import { Refused } from './Refused.tsx'
import { RefusedText } from './RefusedText.tsx'
import { useIsSheet } from './SidePanel.tsx'
import { Toolbar } from './Toolbar.tsx'
import { TopBar } from './TopBar.tsx'

interface Props {
  readonly account: Account
  readonly document: CollaborativeDocument
  readonly view: DocumentView
  readonly direct: DirectChats | undefined
  /** Of the chats: what is asked for from outside. */
  readonly target: ChatTarget | undefined
  readonly menuButton: ReactNode
  readonly bell: ReactNode
  readonly autoFocus: boolean
}

/** One document with all that belongs to it; made anew for each. */
export function DocumentPane({ account, document, view, direct, target, menuButton, bell, autoFocus }: Props) {
  const { status, readOnly, presence } = view
  const { identity } = useStore(account.view)
  const [editor, setEditor] = useState<Editor | null>(null)
  const [linking, setLinking] = useState(false)
  const toolbar = useRef<HTMLDivElement>(null)
  const people = usePeople(document, presence, identity)
  const { id: self } = identity
  const chat = useDocumentChat({ self, name: document.name, chat: view.chat, direct, target, people, editor })
  const [refusedChange, dismissRefusedChange] = useRefusedChange(document)
  const groups = useMemo(
    () => commandGroups(() => setLinking(true), chat.room === undefined ? undefined : chat.comment),
    [chat.room, chat.comment],
  )
  const history = useTimeline(document.name, self, view.ydoc)
  const { timeline } = history
  const { shown } = useStore(timeline?.state ?? nothingShown)
  const [unseen, endUnseen] = useUnseen({
    name: document.name,
    self,
    ydoc: view.ydoc,
    isCurrent: view.ready && status.kind === 'online',
  })
  const isSheet = useIsSheet()
  const [isListed, setIsListed] = useState(false)
  const canWrite = readOnly === false && status.kind !== 'refused'
  // Beside the text there is room for one of them.
  const { isOpen: isChatOpen, close: closeChat } = chat
  const { open: openHistory, close: closeHistory } = history
  useEffect(() => {
    if (isChatOpen) closeHistory()
  }, [isChatOpen, closeHistory])

  const open = () => {
    closeChat()
    setIsListed(true)
    openHistory()
  }

  const showUnseen = (wanted: Unseen) => {
    closeChat()
    history.openUnseen(wanted)
    endUnseen()
    if (isSheet) history.button.current?.focus() // the list would be before the text
  }

  return (
    <div className="pane">
      <div className="pane-main">
        <header className="head">
          <TopBar
            account={account}
            document={document}
            people={people}
            menuButton={menuButton}
            bell={bell}
            historyButton={<HistoryButton history={{ ...history, open }} />}
            chatButton={<ChatButton chat={chat} />}
            unreadFrom={chat.unreadFrom}
            onMessage={chat.openDirect}
          />
          {timeline !== undefined && (
            <HistoryBar
              timeline={timeline}
              canWrite={canWrite}
              onRestored={(restored) => {
                closeHistory()
                history.button.current?.focus()
                history.tellRestored(restored)
              }}
              onList={isSheet ? () => setIsListed(true) : undefined}
            />
          )}
          {view.ready && shown === undefined && (
            <div className="toolbar-row">
              {editor !== null && <Toolbar ref={toolbar} editor={editor} groups={groups} />}
            </div>
          )}
        </header>
        {status.kind === 'refused' && (
          <Refused
            document={document}
            refusal={status.refusal}
            unsaved={view.unsaved}
            kept={view.kept}
            full={!view.ready}
          />
        )}
        {refusedChange !== undefined && (
          <RefusedText name={document.name} change={refusedChange} onDismiss={dismissRefusedChange} />
        )}
        {history.restored !== undefined && (
          <RestoredNotice
            key={history.restored.before}
            restored={history.restored}
            onUndo={history.undoRestore}
            onDismiss={() => history.tellRestored(undefined)}
          />
        )}
        {unseen !== undefined && (
          <UnseenNotice unseen={unseen} onShow={() => showUnseen(unseen)} onDismiss={endUnseen} />
        )}
        {shown !== undefined && <HistoryText shown={shown} />}
        {view.ready ? (
          <div hidden={shown !== undefined}>
            <EditorPane
              key={view.ydoc.guid}
              name={document.name}
              ydoc={view.ydoc}
              awareness={view.awareness}
              identity={identity}
              editable={canWrite}
              autoFocus={autoFocus}
              onEditor={setEditor}
              onLink={() => setLinking(true)}
              onComment={chat.comment}
              onToolbar={() => toolbar.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus()}
            />
          </div>
        ) : (
          status.kind !== 'refused' && <Waiting offline={status.kind === 'offline'} />
        )}
        {linking && editor !== null && <LinkPopover editor={editor} onClose={() => setLinking(false)} />}
      </div>
      <HistorySide history={history} canWrite={canWrite} isSheet={isSheet} isListed={isListed} onListed={setIsListed} />
      <ChatSide chat={chat} editor={editor} />
      <CallWindow self={chat.self} calls={chat.calls} />
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
