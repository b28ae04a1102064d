import { type KeyboardEvent, type Ref, useEffect, useId, useImperativeHandle, useRef, useState } from 'react'
import { MAX_TEXT_LENGTH } from '../../../../model/chat.ts'
import { useMentionCompletion } from '../../hooks/use-mention-completion.ts'
import type { Person } from '../../people.ts'
import { Icon } from '../Icon.tsx'
import { MentionList } from './MentionList.tsx'

/** What the next message is about, or which one is being changed. */
export type Context =
  | { readonly kind: 'reply'; readonly id: string; readonly label: string; readonly text: string }
  | { readonly kind: 'edit'; readonly id: string; readonly label: string; readonly text: string }
  | { readonly kind: 'comment'; readonly label: string; readonly text: string }

interface Props {
  readonly label: string
  readonly context: Context | undefined
  /** Who can be mentioned. */
  readonly people: readonly Person[]
  onCancel(): void
  /** `mentions` are ids of users whom the text calls; an edit has none, since a message's stay as they were sent. */
  onSend(text: string, mentions: readonly string[]): void
  onType(): void
  onEditLast(): void
  readonly ref: Ref<{ focus(): void }>
}

const nobody: readonly Person[] = []

/** Where messages are written: Enter sends, Shift and Enter begin a line, @ calls somebody. */
export function Composer({ label, context, people, onCancel, onSend, onType, onEditLast, ref }: Props) {
  const [text, setText] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)
  const hintId = useId()
  const draft = useRef('')
  const editing = context?.kind === 'edit' ? context : undefined
  const mentionable = editing === undefined ? people : nobody
  const completion = useMentionCompletion({ field, text, setText, people: mentionable })
  const { matches, mentioned } = completion
  const tooLong = Math.max(0, [...text.trim()].length - MAX_TEXT_LENGTH)

  useImperativeHandle(ref, () => ({ focus: () => field.current?.focus() }))

  // What was being written waits while an earlier message is edited.
  useEffect(() => {
    if (editing === undefined) return
    setText((text) => {
      draft.current = text
      return editing.text
    })
    return () => setText(draft.current)
  }, [editing])

  const send = () => {
    const trimmed = text.trim()
    if (trimmed === '' || tooLong > 0) return
    if (editing !== undefined) {
      onSend(trimmed, [])
      return
    }
    onSend(
      trimmed,
      mentioned.map(({ id }) => id),
    )
    setText('')
    completion.clear()
  }
  const key = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return // Enter chooses a word there
    if (completion.onKey(event)) return
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      send()
    } else if (event.key === 'Escape' && context !== undefined) {
      event.preventDefault()
      event.stopPropagation()
      onCancel()
    } else if (event.key === 'ArrowUp' && text === '' && context === undefined) {
      event.preventDefault()
      onEditLast()
    }
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
        field.current?.focus()
      }}
    >
      {context !== undefined && (
        <div className="composer-context" data-kind={context.kind}>
          <p>
            <strong>{context.label}</strong> <span>{context.text}</span>
          </p>
          <button type="button" className="mini-button" aria-label={`Cancel: ${context.label}`} onClick={onCancel}>
            <Icon name="close" size={16} />
          </button>
        </div>
      )}
      <MentionList completion={completion} />
      <div className="composer-row">
        <textarea
          ref={field}
          className="field"
          rows={1}
          aria-label={label}
          aria-autocomplete="list"
          aria-controls={matches.length > 0 ? completion.listId : undefined}
          aria-activedescendant={matches.length > 0 ? completion.optionId(completion.active) : undefined}
          aria-describedby={tooLong > 0 ? hintId : undefined}
          aria-invalid={tooLong > 0}
          placeholder={label}
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            completion.follow()
            if (editing === undefined) onType()
          }}
          onKeyDown={key}
          onSelect={completion.follow}
          onBlur={completion.follow}
        />
        <button
          type="submit"
          className="icon-button composer-send"
          aria-label={editing === undefined ? 'Send' : 'Save the change'}
          disabled={text.trim() === '' || tooLong > 0}
        >
          <Icon name={editing === undefined ? 'send' : 'check'} />
        </button>
      </div>
      {editing === undefined && mentioned.length > 0 && (
        <p className="composer-mentions">Mentions {mentioned.map(({ name }) => name).join(', ')}</p>
      )}
      {tooLong > 0 && (
        <p className="field-error" id={hintId}>
          {tooLong} {tooLong === 1 ? 'character' : 'characters'} too many.
        </p>
      )}
    </form>
  )
}
