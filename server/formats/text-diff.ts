import { diffArrays } from 'diff'

/** Replaces `remove` UTF-16 units at `at`, of the text as it was before all edits, by `insert`. */
export interface TextEdit {
  readonly at: number
  readonly remove: number
  readonly insert: string
}

/** Words, or where a script has no spaces its letters; everything else by itself. */
const TOKEN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{M}\p{N}_]+|./gsu
/** Texts that differ more are replaced between what they begin and end with: to compare them further takes too long. */
const MAX_EDITS = 1_000

/** What makes `before` into `after`, word by word and first to last, so that what stays the same is left alone. */
export function textDiff(before: string, after: string): TextEdit[] {
  if (before === after) return []
  const changes = diffArrays(tokens(before), tokens(after), { maxEditLength: MAX_EDITS })
  if (changes === undefined) return [trimmed(0, before, after)]
  const edits: TextEdit[] = []
  let at = 0
  let [removed, added] = ['', '']
  const flush = () => {
    if (removed + added !== '') edits.push(trimmed(at - removed.length, removed, added))
    ;[removed, added] = ['', '']
  }
  for (const change of changes) {
    const text = change.value.join('')
    if (change.added) added += text
    else if (change.removed) removed += text
    else flush()
    if (!change.added) at += text.length
  }
  flush()
  return edits
}

function tokens(text: string): string[] {
  return text.match(TOKEN) ?? []
}

/** Without what both begin and end with. It never splits a surrogate pair, which Yjs can't merge. */
function trimmed(at: number, before: string, after: string): TextEdit {
  const [old, now] = [Array.from(before), Array.from(after)]
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1
  let end = 0
  const most = Math.min(old.length, now.length) - start
  while (end < most && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1
  return {
    at: at + old.slice(0, start).join('').length,
    remove: old.slice(start, old.length - end).join('').length,
    insert: now.slice(start, now.length - end).join(''),
  }
}
