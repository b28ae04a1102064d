import { useRef, useState } from 'react'
import type { ChatMessage } from '../../../../model/chat.ts'
import type { Row } from '../../chat/message-list.ts'
import { personOf } from '../../chat/names.ts'
import type { Person } from '../../people.ts'
import { AgentLabel } from '../AgentLabel.tsx'
import { Avatar } from '../Avatar.tsx'
import { Icon } from '../Icon.tsx'
import { Popover } from '../Popover.tsx'
import { EmojiPicker } from './EmojiPicker.tsx'
import { MessageText } from './MessageText.tsx'
import { MessageTick } from './MessageTick.tsx'
import { momentOf, timeOf } from './times.ts'

/** What can be done with a message. */
export interface MessageActions {
  reply(message: ChatMessage): void
  edit(message: ChatMessage): void
  remove(message: ChatMessage): void
  react(message: ChatMessage, emoji: string, isOn: boolean): void
  retry(message: ChatMessage): void
  /** Scrolls to another message. */
  jump(id: string): void
  /** Shows the text that a comment is about. */
  showText(message: ChatMessage): void
}

interface Props {
  readonly row: Row
  readonly people: Readonly<Record<string, Person>>
  readonly self: string
  /** The message that this one replies to, if it is loaded. */
  readonly original: ChatMessage | undefined
  /** Of a comment: the text it is about, as it reads now. */
  readonly quote: string | undefined
  readonly canPost: boolean
  /** One message of the list is in the order of Tab; the arrow keys lead to the others. */
  readonly isCurrent: boolean
  readonly actions: MessageActions
}

export function Message({ row, people, self, original, quote, canPost, isCurrent, actions }: Props) {
  const { message, isOwn, at, startsGroup, tick, reactions, problem } = row
  const author = personOf(message.author, people)
  const isDeleted = message.deletedAt !== undefined
  const nameOf = (id: string) => (id === self ? 'You' : personOf(id, people).name)
  return (
    <>
      {startsGroup && (
        <div className="message-head">
          <Avatar name={author.name} color={author.color} kind={author.kind} size="small" />
          <span className="message-author">{isOwn ? 'You' : author.name}</span>
          {author.kind === 'agent' && <AgentLabel />}
          <time dateTime={new Date(at).toISOString()} title={momentOf(message.at)}>
            {timeOf(at)}
          </time>
        </div>
      )}
      <div className="message-body">
        {message.replyTo !== undefined && !isDeleted && (
          <Reply original={original} nameOf={nameOf} onJump={() => actions.jump(message.replyTo ?? '')} />
        )}
        {message.anchor !== undefined && !isDeleted && (
          <CommentQuote quote={quote} onShow={() => actions.showText(message)} />
        )}
        {isDeleted ? (
          <p className="message-deleted">Message deleted</p>
        ) : (
          <MessageText
            text={message.text}
            mentioned={(message.mentions ?? []).map((id) => personOf(id, people))}
            self={self}
          />
        )}
        <span className="message-meta">
          {message.editedAt !== undefined && !isDeleted && <span>edited</span>}
          {tick !== undefined && problem === undefined && <MessageTick tick={tick} />}
        </span>
        {problem !== undefined && (
          <p className="message-problem">
            Not sent: {problem}.{' '}
            <button type="button" className="text-button" onClick={() => actions.retry(message)}>
              Try again
            </button>
          </p>
        )}
        {reactions.length > 0 && !isDeleted && (
          <div className="reactions">
            {reactions.map(({ emoji, users, isOwn }) => {
              const names = users.map(nameOf).join(', ')
              return (
                <button
                  key={emoji}
                  type="button"
                  className="reaction"
                  aria-pressed={isOwn}
                  aria-label={`${emoji} ${users.length}: ${names}`}
                  data-tooltip={names}
                  tabIndex={isCurrent ? 0 : -1}
                  aria-disabled={!canPost}
                  onClick={() => canPost && actions.react(message, emoji, !isOwn)}
                >
                  {emoji} <span>{users.length}</span>
                </button>
              )
            })}
          </div>
        )}
      </div>
      {!isDeleted && canPost && (
        <ActionButtons
          message={message}
          isOwn={isOwn}
          takesReactions={message.reactions !== undefined}
          tabIndex={isCurrent ? 0 : -1}
          actions={actions}
        />
      )}
    </>
  )
}

interface ReplyProps {
  readonly original: ChatMessage | undefined
  nameOf(id: string): string
  onJump(): void
}

function Reply({ original, nameOf, onJump }: ReplyProps) {
  return (
    <button type="button" className="quote" onClick={onJump} tabIndex={-1}>
      <span className="visually-hidden">In reply to </span>
      <strong>{original === undefined ? 'Earlier message' : nameOf(original.author)}</strong>{' '}
      <span>{original?.deletedAt === undefined ? original?.text : 'Message deleted'}</span>
    </button>
  )
}

function CommentQuote({ quote, onShow }: { quote: string | undefined; onShow(): void }) {
  if (quote === undefined) return <p className="quote quote-gone">The text this was about is gone</p>
  return (
    <button type="button" className="quote quote-text" onClick={onShow} tabIndex={-1} data-tooltip="Show in the text">
      <span className="visually-hidden">About the text </span>
      <span>{quote}</span>
    </button>
  )
}

interface ActionsProps {
  readonly message: ChatMessage
  readonly isOwn: boolean
  readonly takesReactions: boolean
  readonly tabIndex: number
  readonly actions: MessageActions
}

function ActionButtons({ message, isOwn, takesReactions, tabIndex, actions }: ActionsProps) {
  const [open, setOpen] = useState<'react' | 'delete'>()
  const bar = useRef<HTMLDivElement>(null)
  const anchor = () => bar.current?.getBoundingClientRect() ?? new DOMRect()
  const close = () => setOpen(undefined)
  return (
    <div ref={bar} className="message-actions" data-open={open !== undefined}>
      {takesReactions && (
        <button
          type="button"
          className="mini-button"
          aria-label="React"
          data-tooltip="React"
          aria-haspopup="dialog"
          tabIndex={tabIndex}
          onClick={() => setOpen('react')}
        >
          <Icon name="smile" size={18} />
        </button>
      )}
      <button
        type="button"
        className="mini-button"
        aria-label="Reply"
        data-tooltip="Reply"
        tabIndex={tabIndex}
        onClick={() => actions.reply(message)}
      >
        <Icon name="reply" size={18} />
      </button>
      {isOwn && (
        <>
          <button
            type="button"
            className="mini-button"
            aria-label="Edit"
            data-tooltip="Edit"
            tabIndex={tabIndex}
            onClick={() => actions.edit(message)}
          >
            <Icon name="edit" size={18} />
          </button>
          <button
            type="button"
            className="mini-button"
            aria-label="Delete"
            data-tooltip="Delete"
            aria-haspopup="dialog"
            tabIndex={tabIndex}
            onClick={() => setOpen('delete')}
          >
            <Icon name="trash" size={18} />
          </button>
        </>
      )}
      {open === 'react' && (
        <EmojiPicker anchor={anchor} onPick={(emoji) => actions.react(message, emoji, true)} onClose={close} />
      )}
      {open === 'delete' && (
        <Popover label="Delete this message?" anchor={anchor} onClose={close}>
          {(hide) => (
            <>
              <p className="confirm-text">Delete this message for everybody?</p>
              <div className="form-actions">
                <button type="button" className="button button-quiet" data-autofocus onClick={hide}>
                  Cancel
                </button>
                <button
                  type="button"
                  className="button button-primary"
                  onClick={() => {
                    hide()
                    actions.remove(message)
                  }}
                >
                  Delete message
                </button>
              </div>
            </>
          )}
        </Popover>
      )}
    </div>
  )
}
