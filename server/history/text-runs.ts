import { equalityDeep } from 'lib0/function'
import * as Y from 'yjs'
import type { Change, HistoryNode, Marks, Run } from '../../model/history.ts'
import type { Look, Piece } from './look.ts'

/** One user's changes side by side are one run if they are no further apart, ms. */
const ONE_RUN_MS = 5 * 60_000

type Content = { text: string } | { embed: unknown } | { node: HistoryNode }

/** The runs of a text, with marks as they are now, or as they were for what was deleted. */
export function textRuns(
  items: Iterable<Y.Item>,
  look: Look,
  around: Change | undefined,
  nodeOf: (type: Y.ContentType['type'], change: Change | undefined) => HistoryNode,
): Run[] {
  const runs: Run[] = []
  const marks = { before: new Map<string, unknown>(), now: new Map<string, unknown>() }
  /** The latest change of each mark. */
  const formats = new Map<string, Change>()
  const add = (content: Content, { was, is, change }: Piece) => {
    const [before, now] = [marksOf(marks.before), marksOf(marks.now)]
    const isFormatted = was && is && !equalityDeep(before, now)
    if (!isFormatted) return append(runs, { ...content, marks: is ? now : before, ...(change && { change }) })
    const [mark] = differing(before, now)
    const format = mark === undefined ? undefined : formats.get(mark)
    const formatted: Change = { user: '', at: 0, position: 0, ...format, kind: 'formatted' }
    append(runs, { ...content, marks: now, before, change: formatted })
  }
  for (const item of items) {
    const { content } = item
    for (const piece of look.pieces(item, around)) {
      if (content instanceof Y.ContentString) {
        add({ text: content.str.slice(piece.offset, piece.offset + piece.length) }, piece)
      } else if (content instanceof Y.ContentEmbed) add({ embed: content.embed }, piece)
      else if (content instanceof Y.ContentType) add({ node: nodeOf(content.type, piece.change) }, piece)
      else if (content instanceof Y.ContentFormat) {
        if (piece.was) marks.before.set(content.key, content.value)
        if (piece.is) marks.now.set(content.key, content.value)
        if (piece.change !== undefined) formats.set(content.key, piece.change)
      }
    }
  }
  return runs
}

function marksOf(marks: ReadonlyMap<string, unknown>): Marks {
  return Object.fromEntries([...marks].filter(([, value]) => value !== null))
}

function differing(before: Marks, now: Marks): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(now)])
  return [...keys].filter((key) => !equalityDeep(before[key], now[key]))
}

/** Adds a run, to the last one if it goes on with it. */
function append(runs: Run[], run: Run): void {
  const last = runs.at(-1)
  if (last === undefined || !('text' in last) || !('text' in run) || !isOne(last, run)) {
    runs.push(run)
    return
  }
  const { change: earlier } = last
  const latest = earlier && run.change && run.change.position > earlier.position ? run.change : earlier
  runs[runs.length - 1] = { ...last, text: last.text + run.text, ...(latest && { change: latest }) }
}

function isOne(last: Run, run: Run): boolean {
  const [one, other] = [last.change, run.change]
  if (one?.kind !== other?.kind || one?.user !== other?.user) return false
  if (one !== undefined && other !== undefined && Math.abs(one.at - other.at) > ONE_RUN_MS) return false
  return equalityDeep(last.marks, run.marks) && equalityDeep(last.before, run.before)
}
