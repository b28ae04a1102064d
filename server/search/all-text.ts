import * as Y from 'yjs'
import { FormatError } from '../formats/format-error.ts'
import { MAX_DEPTH } from '../formats/limits.ts'
import { toText } from '../formats/plain-text.ts'
import { readFragment } from '../formats/xml-fragment.ts'
import { rootsOf } from '../formats/yjs-json.ts'

/**
 * What people read in a document, a line for each piece: of rich text what the format `text` gives, of other Yjs types the
 * text and the strings in them, whatever their names. It ends after `maxLength` characters.
 */
export function allText(ydoc: Y.Doc, maxLength: number): string {
  const pieces: string[] = []
  let length = 0
  for (const piece of piecesOf(ydoc)) {
    pieces.push(piece)
    length += piece.length + 1
    if (length >= maxLength) break
  }
  return pieces.join('\n').slice(0, maxLength).toWellFormed()
}

function* piecesOf(ydoc: Y.Doc): Generator<string, void, undefined> {
  for (const [name, kind] of rootsOf(ydoc)) {
    if (kind === 'map') yield* textIn(ydoc.getMap(name), 0)
    else if (kind === 'array') yield* textIn(ydoc.getArray(name), 0)
    else if (kind === 'text') yield* textIn(ydoc.getText(name), 0)
    else yield* fragmentText(ydoc.getXmlFragment(name))
  }
}

function* fragmentText(fragment: Y.XmlFragment): Generator<string, void, undefined> {
  let text: string
  try {
    text = toText(readFragment(fragment))
  } catch (error) {
    // What is nested too deep for a format is still searched as far as it goes.
    if (!(error instanceof FormatError)) throw error
    yield* textIn(fragment, 0)
    return
  }
  yield text
}

function* textIn(value: unknown, depth: number): Generator<string, void, undefined> {
  if (depth > MAX_DEPTH) return
  if (typeof value === 'string') yield value
  else if (value instanceof Y.Text) {
    const parts: { insert?: unknown }[] = value.toDelta()
    yield parts.map(({ insert }) => (typeof insert === 'string' ? insert : '\n')).join('')
    for (const { insert } of parts) if (typeof insert !== 'string') yield* textIn(insert, depth + 1)
  } else if (value instanceof Y.Map) {
    for (const each of value.values()) yield* textIn(each, depth + 1)
  } else if (value instanceof Y.XmlFragment || value instanceof Y.Array) {
    for (const each of value.toArray()) yield* textIn(each, depth + 1)
  } else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array || value instanceof Y.Doc)) {
    for (const each of Object.values(value)) yield* textIn(each, depth + 1)
  }
}
