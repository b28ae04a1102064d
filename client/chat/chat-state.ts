import type { ChatState, CollaborativeDocument, Status } from '../api.ts'

/** Of a room that nothing is known of yet. */
export const emptyChatState: ChatState = {
  status: { kind: 'connecting' },
  ready: false,
  readOnly: false,
  messages: [],
  problems: {},
  reads: {},
  unread: 0,
  newAfter: 0,
  kept: true,
  earlier: 'none',
  refusedChange: undefined,
}

/** What the documents of a room, its head first, tell about all of it. */
export function statusOf(documents: readonly CollaborativeDocument[], isOnline: boolean): Status {
  const all = documents.map(({ state }) => state.get().status)
  const bad = all.find(({ kind }) => kind === 'refused') ?? all.find(({ kind }) => kind === 'offline')
  if (bad !== undefined) return bad
  return (isOnline ? all.find(({ kind }) => kind === 'online') : undefined) ?? { kind: 'connecting' }
}

/** `next`, or what of `before` is the same: an object is another one only when something in it has changed. */
export function reuse(before: ChatState, next: ChatState): ChatState {
  const merged: ChatState = {
    ...next,
    status: sameJson(before.status, next.status),
    messages: sameItems(before.messages, next.messages),
    problems: sameJson(before.problems, next.problems),
    reads: sameJson(before.reads, next.reads),
  }
  const keys = Object.keys(merged) as (keyof ChatState)[]
  return keys.every((key) => Object.is(before[key], merged[key])) ? before : merged
}

/** Messages are compared by identity: each is a new object only when it has changed. */
function sameItems<T>(before: readonly T[], next: readonly T[]): readonly T[] {
  return before.length === next.length && before.every((item, index) => item === next[index]) ? before : next
}

function sameJson<T>(before: T, next: T): T {
  return JSON.stringify(before) === JSON.stringify(next) ? before : next
}
