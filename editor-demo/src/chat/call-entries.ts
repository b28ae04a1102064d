import { type Call, isOver } from '../../../client/index.ts'
import type { Row } from './message-list.ts'

/**
 * The calls that are over, each before the first message that came after it: message id → calls, and those behind the
 * last message. `isComplete` tells that nothing came before the first row.
 */
export function callsBefore(
  rows: readonly Row[],
  calls: readonly Call[],
  isComplete: boolean,
): [before: ReadonlyMap<string, readonly Call[]>, last: readonly Call[]] {
  const before = new Map<string, Call[]>()
  const last: Call[] = []
  for (const call of calls) {
    if (!isOver(call.state)) continue
    const index = rows.findIndex(({ at }) => at > call.at)
    const next = rows[index]?.message.id
    if (next === undefined) last.push(call)
    // It belongs to messages that are not shown.
    else if (index > 0 || isComplete) before.set(next, [...(before.get(next) ?? []), call])
  }
  return [before, last]
}

export function callText({ state, from, duration }: Call, self: string): string {
  const isOwn = from === self
  if (state === 'missed') return isOwn ? 'Call not answered' : 'Missed call'
  if (state === 'declined') return 'Call declined'
  if (state === 'cancelled') return isOwn ? 'Call cancelled' : 'Missed call'
  const how = state === 'failed' ? 'Call broken off' : 'Call'
  return duration === undefined ? how : `${how}, ${lengthOf(duration)}`
}

/** Such as 0:07 or 1:02:33. */
export function lengthOf(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000)
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const [first = 0, ...rest] = parts[0] === 0 ? parts.slice(1) : parts
  return [String(first), ...rest.map((part) => String(part).padStart(2, '0'))].join(':')
}
