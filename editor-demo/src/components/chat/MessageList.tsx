import { type KeyboardEvent, type Ref, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from 'react'
import type { Call, Chat, ChatState } from '../../../../client/index.ts'
import { type ChatMessage, timeOfMessageId } from '../../../../model/chat.ts'
import { callsBefore, callText } from '../../chat/call-entries.ts'
import { rowsOf } from '../../chat/message-list.ts'
import { knownPeople } from '../../chat/names.ts'
import { useStore } from '../../hooks/use-store.ts'
import { Message, type MessageActions } from './Message.tsx'
import { dayOf, timeOf } from './times.ts'

const PAGE = 60
/** So close to the end counts as being there, px. */
const AT_END = 32
const NEAR_START = 80

export interface MessageListHandle {
  scrollToEnd(): void
  /** Scrolls to a message and gives it the focus; loads what is before it where it isn't loaded. */
  reveal(id: string): void
}

interface Props {
  readonly chat: Chat
  readonly self: string
  readonly view: ChatState
  readonly canPost: boolean
  readonly quotes: Readonly<Record<string, string | undefined>>
  /** Those that are over stand among the messages. */
  readonly calls: readonly Call[]
  readonly actions: MessageActions
  readonly emptyText: string
  readonly ref: Ref<MessageListHandle>
}

/** The messages, the latest at the end; what was before comes when one scrolls up. */
export function MessageList({ chat, self, view, canPost, quotes, calls, actions, emptyText, ref }: Props) {
  const people = useStore(knownPeople)
  const [limit, setLimit] = useState(PAGE)
  const [current, setCurrent] = useState<string>()
  const [wanted, setWanted] = useState<string>()
  const [missing, setMissing] = useState(false)
  const [atEnd, setAtEnd] = useState(true)
  const scroller = useRef<HTMLDivElement>(null)
  /** Where the list stood before it was rendered: how far from its end, and with which message first. */
  const place = useRef<{ fromEnd: number; first: string | undefined }>({ fromEnd: 0, first: undefined })

  const all = rowsOf({ ...view, self })
  const rows = all.slice(-limit)
  const first = rows[0]?.message.id
  const last = rows.at(-1)?.message.id
  const focusable = rows.some(({ message }) => message.id === current) ? current : last
  const byId = new Map(view.messages.map((message) => [message.id, message]))
  const [entries, lastEntries] = callsBefore(rows, calls, all.length === rows.length)
  const hasEarlier = all.length > rows.length || view.earlier === 'there' || view.earlier === 'loading'
  const unreadBelow = atEnd ? 0 : view.unread

  const loadEarlier = () => {
    if (all.length > rows.length) setLimit((limit) => limit + PAGE)
    else if (view.earlier === 'there') {
      chat.loadEarlier()
      setLimit((limit) => limit + PAGE)
    }
  }

  const measure = () => {
    const element = scroller.current
    if (element === null) return
    const fromEnd = element.scrollHeight - element.scrollTop - element.clientHeight
    place.current = { fromEnd, first }
    setAtEnd(fromEnd <= AT_END)
    if (element.scrollTop < NEAR_START && element.scrollHeight > element.clientHeight) loadEarlier()
  }

  // The end stays in view; what is added above moves nothing.
  useLayoutEffect(() => {
    const element = scroller.current
    if (element === null) return
    const { fromEnd, first: firstBefore } = place.current
    if (fromEnd <= AT_END) element.scrollTop = element.scrollHeight
    else if (firstBefore !== first) element.scrollTop = element.scrollHeight - element.clientHeight - fromEnd
    place.current = { fromEnd: element.scrollHeight - element.scrollTop - element.clientHeight, first }
  })

  // A keyboard that appears, or a composer that grows, takes its place from the list.
  useEffect(() => {
    const element = scroller.current
    if (element === null) return
    const observer = new ResizeObserver(() => {
      if (place.current.fromEnd <= AT_END) element.scrollTop = element.scrollHeight
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  // Before it is seen: where reading ended is known only until then.
  useEffect(() => {
    chat.enter()
    return () => chat.setSeen(false)
  }, [chat])
  useEffect(() => {
    const update = () => chat.setSeen(atEnd && document.visibilityState === 'visible')
    update()
    document.addEventListener('visibilitychange', update)
    return () => document.removeEventListener('visibilitychange', update)
  }, [chat, atEnd])

  const scrollToEnd = () => {
    const element = scroller.current
    if (element !== null) element.scrollTop = element.scrollHeight
    place.current = { fromEnd: 0, first }
    setAtEnd(true)
  }
  useImperativeHandle(ref, () => ({ scrollToEnd, reveal: setWanted }))

  const show = (selector: string) => {
    const element = scroller.current?.querySelector<HTMLElement>(selector)
    element?.scrollIntoView({ block: 'center' })
    element?.focus({ preventScroll: true })
    element?.animate([{ backgroundColor: 'var(--pressed)' }, {}], { duration: 1_600, easing: 'ease-in' })
  }
  useEffect(() => {
    if (wanted === undefined || !view.ready) return
    const call = calls.find(({ id }) => id === wanted)
    if (call !== undefined) {
      setWanted(undefined)
      show(`[data-call="${CSS.escape(wanted)}"]`)
      return
    }
    const index = all.findIndex(({ message }) => message.id === wanted)
    if (index === -1) {
      // It has been heard of before it is here.
      if (isAhead(wanted, view.messages)) return
      if (view.earlier === 'there') chat.loadEarlier()
      else if (view.earlier !== 'loading') {
        setWanted(undefined)
        setMissing(true)
      }
      return
    }
    if (all.length - index > limit) {
      setLimit(all.length - index + PAGE / 2)
      return
    }
    setWanted(undefined)
    setMissing(false)
    setCurrent(wanted)
    show(`[data-message="${CSS.escape(wanted)}"]`)
  })

  const moveFocus = (event: KeyboardEvent<HTMLOListElement>) => {
    if (!(event.target instanceof HTMLLIElement)) return
    const items = [...event.currentTarget.children].filter((item) => item instanceof HTMLLIElement)
    const index = items.indexOf(event.target)
    const steps: Readonly<Record<string, number>> = {
      ArrowUp: index - 1,
      ArrowDown: index + 1,
      Home: 0,
      End: items.length - 1,
    }
    const next = items[steps[event.key] ?? -1]
    if (next === undefined) return
    event.preventDefault()
    next.focus()
  }

  return (
    <div className="messages-frame">
      <div ref={scroller} className="messages" onScroll={measure}>
        {view.ready && rows.length === 0 && lastEntries.length === 0 && <p className="messages-empty">{emptyText}</p>}
        {hasEarlier && rows.length > 0 && (
          <button type="button" className="text-button messages-earlier" onClick={loadEarlier}>
            {view.earlier === 'loading' && all.length === rows.length ? 'Loading…' : 'Earlier messages'}
          </button>
        )}
        {view.earlier === 'too-far' && all.length === rows.length && (
          <p className="messages-empty">Older messages are found by searching.</p>
        )}
        <ol aria-label="Messages" onKeyDown={moveFocus}>
          {rows.map((row) => {
            const { message, startsDay, isFirstNew, startsGroup } = row
            return (
              <li
                key={message.id}
                className={startsGroup ? 'message message-first' : 'message'}
                data-calls-me={message.mentions?.includes(self) === true && message.deletedAt === undefined}
                data-message={message.id}
                // One stop for Tab: the arrow keys lead to the other messages and their actions.
                tabIndex={message.id === focusable ? 0 : -1}
                onFocus={() => setCurrent(message.id)}
              >
                <CallEntries calls={entries.get(message.id) ?? []} self={self} />
                {startsDay && <div className="day">{dayOf(row.at)}</div>}
                {isFirstNew && <div className="new-line">New messages</div>}
                <Message
                  row={row}
                  people={people}
                  self={self}
                  original={message.replyTo === undefined ? undefined : byId.get(message.replyTo)}
                  quote={quotes[message.id]}
                  canPost={canPost}
                  isCurrent={message.id === focusable}
                  actions={actions}
                />
              </li>
            )
          })}
        </ol>
        <CallEntries calls={lastEntries} self={self} />
      </div>
      {missing && (
        <p className="messages-missing" role="status">
          That message is too far back to be shown here.{' '}
          <button type="button" className="text-button" onClick={() => setMissing(false)}>
            Understood
          </button>
        </p>
      )}
      {!atEnd && (
        <button type="button" className="to-end" onClick={scrollToEnd}>
          {unreadBelow > 0 ? `${unreadBelow} new` : 'Latest'} <span aria-hidden="true">↓</span>
        </button>
      )}
    </div>
  )
}

/** Whether a message was written after the last one that is here. */
function isAhead(id: string, messages: readonly ChatMessage[]): boolean {
  const last = messages.findLast(({ seq }) => seq !== undefined)
  return last === undefined || timeOfMessageId(id) > timeOfMessageId(last.id)
}

/** What became of calls, where they were between the messages. */
function CallEntries({ calls, self }: { calls: readonly Call[]; self: string }) {
  return calls.map((call) => (
    <p key={call.id} className="call-entry" data-call={call.id} tabIndex={-1}>
      {callText(call, self)}, {timeOf(call.at)}
    </p>
  ))
}
