import type { MouseEvent } from 'react'
import { pathOf } from '../route.ts'
import { titleOf } from '../titles.ts'
import { age } from './age.ts'

interface Props {
  readonly name: string
  /** Undefined for one that is not on the server yet. */
  readonly updatedAt: number | undefined
  readonly known: Readonly<Record<string, string>>
  readonly current: boolean
  onOpen(name: string): void
}

/** A real link, so that it can be opened in another tab. */
export function DocumentLink({ name, updatedAt, known, current, onOpen }: Props) {
  const open = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    onOpen(name)
  }
  return (
    <a
      href={pathOf(name)}
      className="document-link"
      aria-current={current ? 'page' : undefined}
      title={name}
      onClick={open}
    >
      <span className="document-title">{titleOf(name, known)}</span>
      <span className="document-age">{updatedAt === undefined ? 'new' : age(updatedAt, Date.now())}</span>
    </a>
  )
}
