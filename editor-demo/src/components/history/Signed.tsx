import type { CSSProperties, ReactNode } from 'react'
import type { Change } from '../../../../client/index.ts'
import { knownPeople, personOf } from '../../chat/names.ts'
import { shortMoment } from '../../history/moments.ts'
import { useStore } from '../../hooks/use-store.ts'

const tags = { inserted: 'ins', deleted: 'del', formatted: 'span', changed: 'span' } as const
const verbs = { inserted: 'Inserted', deleted: 'Deleted', formatted: 'Formatted', changed: 'Changed' } as const

interface Props {
  readonly change: Change
  /** Whether it is about who wrote it, and not about what is new. */
  readonly isBlame?: boolean
  readonly children?: ReactNode
}

/** What was done, by whom and when, in words. */
export function useLabel(change: Change | undefined): string | undefined {
  const people = useStore(knownPeople)
  return (
    change &&
    `${verbs[change.kind]} by ${personOf(change.user || 'The server', people).name}, ${shortMoment(change.at)}`
  )
}

/** A change in the colour of its author, with their name for the pointer and, in words, for screen readers. */
export function Signed({ change, isBlame = false, children }: Props) {
  const { kind, user, at } = change
  const { name, color } = personOf(user || 'The server', useStore(knownPeople))
  const Tag = isBlame ? 'span' : tags[kind]
  const label = `${isBlame ? 'Written' : verbs[kind]} by ${name}`
  const style: CSSProperties & { '--person': string } = { '--person': color }
  return (
    <Tag
      className={children === undefined ? undefined : `history-run history-${isBlame ? 'blame' : kind}`}
      style={style}
      data-person={name}
      data-tooltip={`${label}, ${shortMoment(at)}`}
    >
      <span className="visually-hidden history-label">{label}: </span>
      {children}
    </Tag>
  )
}
