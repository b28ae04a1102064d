import { knownPeople, personOf } from '../../chat/names.ts'
import type { Unseen } from '../../history/unseen.ts'
import { useStore } from '../../hooks/use-store.ts'

interface Props {
  readonly unseen: Unseen
  onShow(): void
  onDismiss(): void
}

/** Says that others changed the document since one last looked, and offers to show what. */
export function UnseenNotice({ unseen: { users }, onShow, onDismiss }: Props) {
  const people = useStore(knownPeople)
  const names = users.map((user) => personOf(user, people).name)
  return (
    <div className="banner history-notice">
      <p role="status">{listed(names)} changed this document since you last looked.</p>
      <button type="button" className="button" onClick={onShow}>
        See what changed
      </button>
      <button type="button" className="button button-quiet" onClick={onDismiss}>
        Dismiss
      </button>
    </div>
  )
}

function listed([first = '', second, ...others]: readonly string[]): string {
  if (second === undefined) return first
  if (others.length === 0) return `${first} and ${second}`
  return `${first}, ${second} and ${others.length === 1 ? '1 other' : `${others.length} others`}`
}
