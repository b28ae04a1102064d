import { type KeyboardEvent, type RefObject, useId, useLayoutEffect, useRef, useState } from 'react'
import { matching, queryBefore, stillMentioned } from '../chat/mentions.ts'
import type { Person } from '../people.ts'

const MAX_SHOWN = 6

export interface MentionCompletion {
  /** Those that fit what is being written; empty while no name is being written. */
  readonly matches: readonly Person[]
  /** Index of the one that Enter takes. */
  readonly active: number
  readonly listId: string
  optionId(index: number): string
  setActive(index: number): void
  pick(person: Person): void
  /** Returns whether the key was for the list. */
  onKey(event: KeyboardEvent): boolean
  /** To be called whenever the caret may have moved. */
  follow(): void
  /** Those who were picked and are still called by the text. */
  readonly mentioned: readonly Person[]
  /** Forgets who was picked. */
  clear(): void
}

interface Options {
  readonly field: RefObject<HTMLTextAreaElement | null>
  readonly text: string
  setText(text: string): void
  /** Who can be mentioned now. */
  readonly people: readonly Person[]
}

/** Completes names behind an @ in a text field. */
export function useMentionCompletion({ field, text, setText, people }: Options): MentionCompletion {
  const listId = useId()
  const [caret, setCaret] = useState<number>()
  const [active, setActive] = useState(0)
  const [picked, setPicked] = useState<readonly Person[]>([])
  /** Where the @ stands whose list was put away. */
  const [closedAt, setClosedAt] = useState<number>()
  const nextCaret = useRef<number>(undefined)

  const query = caret === undefined || caret > text.length ? undefined : queryBefore(text, caret)
  const isOpen = query !== undefined && query.start !== closedAt && !picked.some(({ name }) => name === query.text)
  const matches = isOpen ? matching(people, query.text).slice(0, MAX_SHOWN) : []
  const shown = Math.min(active, Math.max(0, matches.length - 1))

  const follow = () => {
    const element = field.current
    const next =
      element !== null && document.activeElement === element && element.selectionStart === element.selectionEnd
        ? element.selectionStart
        : undefined
    if (next === caret) return
    setCaret(next)
    setActive(0)
    const start = next === undefined || element === null ? undefined : queryBefore(element.value, next)?.start
    if (start !== closedAt) setClosedAt(undefined)
  }

  const pick = (person: Person) => {
    if (query === undefined || caret === undefined) return
    const rest = text.slice(caret)
    const called = `@${person.name}${rest.startsWith(' ') ? '' : ' '}`
    nextCaret.current = query.start + person.name.length + 2
    setPicked([...picked.filter(({ id }) => id !== person.id), person])
    setText(text.slice(0, query.start) + called + rest)
    setCaret(nextCaret.current)
    setActive(0)
    field.current?.focus()
  }

  // Once the field has the text.
  useLayoutEffect(() => {
    if (nextCaret.current === undefined) return
    field.current?.setSelectionRange(nextCaret.current, nextCaret.current)
    nextCaret.current = undefined
  }, [field, text])

  const onKey = (event: KeyboardEvent): boolean => {
    const person = matches[shown]
    if (person === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return false
    if (event.key === 'ArrowDown') setActive((shown + 1) % matches.length)
    else if (event.key === 'ArrowUp') setActive((shown + matches.length - 1) % matches.length)
    else if (event.key === 'Enter' || event.key === 'Tab') pick(person)
    else if (event.key === 'Escape') setClosedAt(query?.start)
    else return false
    event.preventDefault()
    event.stopPropagation()
    return true
  }

  return {
    matches,
    active: shown,
    listId,
    optionId: (index) => `${listId}-${index}`,
    setActive,
    pick,
    onKey,
    follow,
    mentioned: stillMentioned(text, picked),
    clear: () => setPicked([]),
  }
}
