import type { EditorState } from '@tiptap/pm/state'
import type { Anchor } from '../../../model/chat.ts'
import { recall, remember } from '../browser-storage.ts'
import { rangeOf, type TextRange } from './anchors.ts'

export interface Comment {
  readonly id: string
  readonly anchor: Anchor
}

const KEY = 'coweave:comments'
const MAX_REMEMBERED = 300
/** Shorter texts come again by chance. */
const MIN_LENGTH = 8

/** What comments were about when it was last seen, as far as nothing else in the document read the same. */
const remembered = new Map<string, string>(load())

/**
 * Where a comment's text is. The editor's binding to Yjs writes text anew when a paragraph is split before it, or
 * joined: the anchor is lost then, and the text is looked for by what it said.
 */
export function placeOf(state: EditorState, { id, anchor }: Comment): TextRange | undefined {
  const text = remembered.get(id)
  return rangeOf(state, anchor) ?? (text === undefined ? undefined : onlyOccurrence(state, text))
}

export function quoteOf(state: EditorState, comment: Comment): string | undefined {
  const range = placeOf(state, comment)
  const text = range && textIn(state, range).trim()
  return text === '' ? undefined : text
}

/** Notes what comments are about, for the time when their anchors are lost. */
export function rememberQuotes(state: EditorState, comments: readonly Comment[]): void {
  let changed = false
  for (const { id, anchor } of comments) {
    const range = rangeOf(state, anchor)
    const text = range && state.doc.textBetween(range.from, range.to)
    if (text === undefined || text.length < MIN_LENGTH || remembered.get(id) === text) continue
    if (onlyOccurrence(state, text) === undefined) changed = remembered.delete(id) || changed
    else {
      remembered.set(id, text)
      changed = true
    }
  }
  if (changed) remember('local', KEY, JSON.stringify([...remembered].slice(-MAX_REMEMBERED)))
}

export function textIn(state: EditorState, { from, to }: TextRange): string {
  return state.doc.textBetween(from, to, ' ')
}

function onlyOccurrence({ doc }: EditorState, text: string): TextRange | undefined {
  const found: TextRange[] = []
  doc.descendants((node, position) => {
    if (!node.isTextblock) return found.length < 2
    // Whatever is no text takes one place there, as it does here.
    const content = node.textBetween(0, node.content.size, undefined, '\ufffc')
    for (let at = content.indexOf(text); at !== -1; at = content.indexOf(text, at + 1)) {
      found.push({ from: position + 1 + at, to: position + 1 + at + text.length })
    }
    return false
  })
  return found.length === 1 ? found[0] : undefined
}

function load(): [string, string][] {
  try {
    const stored: unknown = JSON.parse(recall('local', KEY) ?? '[]')
    return Array.isArray(stored) ? stored.filter((entry) => Array.isArray(entry) && entry.length === 2) : []
  } catch {
    return [] // damaged: noted again as comments are shown
  }
}
