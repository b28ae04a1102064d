import type { EditingSession, NamedVersion, SessionsPage } from '../../../client/index.ts'

interface Loaded {
  readonly sessions: readonly EditingSession[]
  readonly next: number | undefined
}

/** The newest page in the place of what it has anew; what is earlier than it stays. */
export function mergeNewest(known: Loaded, page: SessionsPage): Loaded {
  const { next } = page
  if (next === undefined) return { sessions: page.sessions, next }
  const earlier = known.sessions.filter(({ lastPosition }) => lastPosition < next)
  if (earlier.length === 0) return { sessions: page.sessions, next }
  return { sessions: [...page.sessions, ...earlier], next: known.next }
}

/** The position before the session that a position is in. */
export function sinceOf(sessions: readonly EditingSession[], position: number): number {
  const around = sessions.findLast(
    ({ firstPosition, lastPosition }) => firstPosition <= position && position <= lastPosition,
  )
  return (around?.firstPosition ?? Math.max(1, position)) - 1
}

export type ListEntry =
  | { readonly kind: 'session'; readonly session: EditingSession }
  | { readonly kind: 'version'; readonly version: NamedVersion }

/** Sessions with the versions among them, newest first; of versions those that are later than what isn't loaded. */
export function entriesOf(
  sessions: readonly EditingSession[],
  versions: readonly NamedVersion[],
  next: number | undefined,
): readonly ListEntry[] {
  const named = versions.filter(({ position }) => position >= (next ?? 0))
  const entries: ListEntry[] = [
    ...named.map((version) => ({ kind: 'version', version }) as const),
    ...sessions.map((session) => ({ kind: 'session', session }) as const),
  ]
  const positionOf = (entry: ListEntry) =>
    entry.kind === 'session' ? entry.session.lastPosition : entry.version.position
  return entries.toSorted((a, b) => positionOf(b) - positionOf(a)) // stable: a version stands above its session
}
