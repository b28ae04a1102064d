import type { Editor } from '@tiptap/core'
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { type Chat, type ChatState, isOver } from '../../../../client/index.ts'
import { useCalls, useChat } from '../../../../client/react/index.ts'
import type { Anchor, ChatMessage } from '../../../../model/chat.ts'
import { knownPeople, personOf } from '../../chat/names.ts'
import { highlightComment } from '../../editor/comment-marks.ts'
import { useMentionable } from '../../hooks/use-mentionable.ts'
import { useStore } from '../../hooks/use-store.ts'
import { Announcer } from './Announcer.tsx'
import { ChatHead } from './ChatHead.tsx'
import { ChatSearch } from './ChatSearch.tsx'
import { Composer, type Context } from './Composer.tsx'
import type { MessageActions } from './Message.tsx'
import { MessageList, type MessageListHandle } from './MessageList.tsx'
import { Typists } from './Typists.tsx'

/** Text that was chosen in the editor to be commented on. */
export interface NewComment {
  readonly anchor: Anchor
  readonly quote: string
}

interface Props {
  readonly chat: Chat
  readonly self: string
  /** The other one of a direct chat; undefined for the chat beside the document. */
  readonly partner: string | undefined
  readonly editor: Editor | null
  /** Of the comments: what their text says now. */
  readonly quotes: Readonly<Record<string, string | undefined>>
  readonly newComment: NewComment | undefined
  /** The id of a message, or of a call, to be scrolled to. */
  readonly wanted: string | undefined
  onShown(): void
  onCommentDone(): void
  /** Scrolls the document to a comment's text. */
  onShowText(message: ChatMessage): void
  onBack(): void
  onClose(): void
  readonly autoFocus: boolean
  /** What stands between the head and the messages. */
  readonly children?: ReactNode
}

/** One room: its messages, and where the next one is written. */
export function ChatPanel(props: Props) {
  const {
    chat,
    self,
    partner,
    editor,
    quotes,
    newComment,
    wanted,
    onShown,
    onCommentDone,
    onShowText,
    onBack,
    onClose,
    autoFocus,
    children,
  } = props
  const view = useChat(chat)
  const calls = useCalls(chat)
  const people = useStore(knownPeople)
  const [context, setContext] = useState<Context>()
  const [searching, setSearching] = useState(false)
  const searchButton = useRef<HTMLButtonElement>(null)
  const list = useRef<MessageListHandle>(null)
  const composer = useRef<{ focus(): void }>(null)
  const title = partner === undefined ? 'Chat' : personOf(partner, people).name
  const mentionable = useMentionable(self, partner, view)
  const canPost = !view.readOnly && view.status.kind !== 'refused'
  const nameOf = (id: string) => (id === self ? 'yourself' : personOf(id, people).name)

  // When it is opened, not when it was open already beside another document.
  useEffect(() => {
    if (autoFocus) composer.current?.focus()
  }, [autoFocus])
  useEffect(() => {
    if (wanted === undefined) return
    list.current?.reveal(wanted)
    onShown()
  }, [wanted, onShown])
  const commentContext = useMemo<Context | undefined>(
    () => newComment && { kind: 'comment', label: 'Comment on', text: newComment.quote },
    [newComment],
  )
  useEffect(() => {
    if (commentContext === undefined) return
    setContext(undefined)
    composer.current?.focus()
  }, [commentContext])
  const shown = context ?? commentContext

  const cancel = () => {
    if (context === undefined) onCommentDone()
    setContext(undefined)
    composer.current?.focus()
  }
  const begin = (context: Context) => {
    setContext(context)
    setSearching(false)
    composer.current?.focus()
  }
  const send = (text: string, mentions: readonly string[]) => {
    if (shown?.kind === 'edit') {
      if (text !== shown.text) chat.edit(shown.id, text)
    } else {
      chat.send({
        text,
        ...(mentions.length > 0 ? { mentions } : {}),
        ...(shown?.kind === 'reply' ? { replyTo: shown.id } : {}),
        ...(shown?.kind === 'comment' && newComment ? { anchor: newComment.anchor } : {}),
      })
      list.current?.scrollToEnd()
    }
    if (shown?.kind === 'comment') onCommentDone()
    setContext(undefined)
  }
  const edit = (message: ChatMessage) => begin({ kind: 'edit', id: message.id, label: 'Edit', text: message.text })
  const actions: MessageActions = {
    reply: (message) =>
      begin({ kind: 'reply', id: message.id, label: `Reply to ${nameOf(message.author)}`, text: message.text }),
    edit,
    remove: (message) => {
      chat.delete(message.id)
      composer.current?.focus()
    },
    react: (message, emoji, isOn) => chat.react(message.id, emoji, isOn),
    retry: (message) => chat.retry(message.id),
    jump: (id) => list.current?.reveal(id),
    showText: onShowText,
  }

  return (
    <>
      <ChatHead
        title={title}
        direct={
          partner === undefined
            ? undefined
            : {
                canCall: canPost && view.status.kind === 'online' && calls.every(({ state }) => isOver(state)),
                onBack,
                onCall: () => chat.calls.start([partner], 'video'),
              }
        }
        searching={searching}
        searchButton={searchButton}
        onSearch={() => setSearching(!searching)}
        onClose={onClose}
      />
      {children}
      <StatusLine view={view} />
      {view.refusedChange !== undefined && (
        <p className="chat-notice" role="alert">
          Not changed: {view.refusedChange}.{' '}
          <button type="button" className="text-button" onClick={() => chat.dismissRefusedChange()}>
            Understood
          </button>
        </p>
      )}
      {searching && (
        <ChatSearch
          chat={chat}
          self={self}
          onChoose={({ id }) => {
            setSearching(false)
            list.current?.reveal(id)
          }}
          onClose={() => {
            setSearching(false)
            searchButton.current?.focus()
          }}
        />
      )}
      <MessageList
        ref={list}
        chat={chat}
        self={self}
        view={view}
        canPost={canPost}
        quotes={quotes}
        calls={calls}
        actions={actions}
        emptyText={
          partner === undefined
            ? 'Nothing has been said yet. Whoever may read the document can read this chat.'
            : `Only you and ${title} can read this.`
        }
      />
      <Announcer self={self} view={view} nameOf={nameOf} />
      <Typists chat={chat} />
      {canPost ? (
        <Composer
          ref={composer}
          label={partner === undefined ? 'Message' : `Message to ${title}`}
          context={shown}
          people={mentionable}
          onCancel={cancel}
          onSend={send}
          onType={() => chat.typing()}
          onEditLast={() => {
            const last = view.messages.findLast(({ author, deletedAt }) => author === self && !deletedAt)
            if (last !== undefined) edit(last)
          }}
        />
      ) : (
        <p className="chat-notice">
          {view.readOnly ? 'You may read this chat, but not write in it.' : 'You may not use this chat.'}
        </p>
      )}
      <HighlightEnd editor={editor} />
    </>
  )
}

function StatusLine({ view }: { view: ChatState }) {
  if (view.status.kind !== 'offline') return null
  return (
    <p className="chat-notice chat-offline">
      {view.kept
        ? 'Offline. What you write is kept in this browser and sent later.'
        : 'Offline. This browser can’t keep messages: leave the page open.'}
    </p>
  )
}

/** A comment's text is brought out until one goes back to the text, or closes the chat. */
function HighlightEnd({ editor }: { editor: Editor | null }) {
  useEffect(() => {
    if (editor === null) return
    const end = () => {
      if (!editor.isDestroyed) highlightComment(editor, undefined)
    }
    editor.on('focus', end)
    return () => {
      editor.off('focus', end)
      end()
    }
  }, [editor])
  return null
}
