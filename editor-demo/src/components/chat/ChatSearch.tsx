import { useEffect, useState } from 'react'
import type { Chat } from '../../../../client/index.ts'
import type { ChatMessage } from '../../../../model/chat.ts'
import { knownPeople, personOf } from '../../chat/names.ts'
import { useStore } from '../../hooks/use-store.ts'
import { dayOf, timeOf } from './times.ts'

const DELAY_MS = 250
const MAX_QUERY_LENGTH = 200

type Results =
  | { readonly kind: 'none' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'found'; readonly messages: readonly ChatMessage[]; readonly next: number | undefined }

interface Props {
  readonly self: string
  readonly chat: Chat
  onChoose(message: ChatMessage): void
  onClose(): void
}

/** Looks for words in everything that was ever said in this room; in the place of the messages. */
export function ChatSearch({ self, chat, onChoose, onClose }: Props) {
  const people = useStore(knownPeople)
  const [text, setText] = useState('')
  const [before, setBefore] = useState<number>()
  const [results, setResults] = useState<Results>({ kind: 'none' })

  useEffect(() => {
    const query = text.trim()
    if (query === '') {
      setResults({ kind: 'none' })
      return
    }
    const controller = new AbortController()
    const run = async () => {
      try {
        const page = await chat.search(query, {
          signal: controller.signal,
          ...(before === undefined ? {} : { before }),
        })
        if (controller.signal.aborted) return
        setResults((known) => {
          const earlier = before !== undefined && known.kind === 'found' ? known.messages : []
          return { kind: 'found', messages: [...earlier, ...page.messages], next: page.next }
        })
      } catch {
        if (!controller.signal.aborted) setResults({ kind: 'failed' })
      }
    }
    const timer = setTimeout(run, before === undefined ? DELAY_MS : 0)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [chat, text, before])

  return (
    <div className="chat-search">
      <input
        className="field"
        type="search"
        aria-label="Search this chat"
        placeholder="Search this chat"
        maxLength={MAX_QUERY_LENGTH}
        autoComplete="off"
        // biome-ignore lint/a11y/noAutofocus: whoever opens the search is about to type
        autoFocus
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setBefore(undefined)
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return
          event.preventDefault()
          event.stopPropagation()
          onClose()
        }}
      />
      <p className="search-status" role="status">
        {results.kind === 'failed' && 'The search can’t be reached now.'}
        {results.kind === 'found' && results.messages.length === 0 && 'Nothing found.'}
      </p>
      {results.kind === 'found' && (
        <div className="search-results">
          <ul aria-label="Found messages">
            {results.messages.map((message) => {
              const at = message.receivedAt ?? message.at
              return (
                <li key={message.id}>
                  <button type="button" className="found" onClick={() => onChoose(message)}>
                    <span className="found-head">
                      <strong>{message.author === self ? 'You' : personOf(message.author, people).name}</strong>
                      <span>
                        {dayOf(at)}, {timeOf(at)}
                      </span>
                    </span>
                    <span className="found-text">{message.text}</span>
                  </button>
                </li>
              )
            })}
          </ul>
          {results.next !== undefined && results.messages.length > 0 && (
            <button type="button" className="text-button" onClick={() => setBefore(results.next)}>
              More
            </button>
          )}
        </div>
      )}
    </div>
  )
}
