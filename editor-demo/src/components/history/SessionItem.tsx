import type { EditingSession } from '../../../../client/index.ts'
import { spanOf } from '../../history/moments.ts'
import type { Person } from '../../people.ts'
import { Avatar } from '../Avatar.tsx'

interface Props {
  readonly session: EditingSession
  readonly author: Person
  readonly isShown: boolean
  onChoose(): void
}

export function SessionItem({ session, author, isShown, onChoose }: Props) {
  const { from, to, inserted, deleted } = session
  return (
    <li>
      <button type="button" className="history-entry" aria-current={isShown} onClick={onChoose}>
        <Avatar name={author.name} color={author.color} />
        <span className="history-who">{author.name}</span>
        <span className="history-when">{spanOf(from, to)}</span>
        <span className="history-volume">
          <span aria-hidden="true">
            <ins>+{inserted}</ins> <del>−{deleted}</del>
          </span>
          <span className="visually-hidden">
            {inserted} inserted, {deleted} deleted
          </span>
        </span>
      </button>
    </li>
  )
}
