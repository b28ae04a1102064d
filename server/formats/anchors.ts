import type * as Y from 'yjs'
import { anchorBetween, placeIn } from '../../model/anchors.ts'
import type { Anchor } from '../../model/chat.ts'
import { EditError } from './edits.ts'
import { FormatError } from './format-error.ts'
import { TextPlaces } from './text-places.ts'
import { kindOfRoot, rootsOf } from './yjs-json.ts'

const MAX_QUOTE_LENGTH = 1_000

/** A place as who reads a document names it: a text that is there once, a block by its number, or a text in a block. */
export interface NamedPlace {
  readonly field: string
  readonly find?: string | undefined
  readonly block?: number | undefined
}

/**
 * The anchor of a place in a document.
 * @throws {EditError} where there is no such place, or several  @throws {FormatError} `format/no-such-field`
 */
export function anchorAt(ydoc: Y.Doc, { field, find, block }: NamedPlace): Anchor {
  const root = textRoot(ydoc, field)
  if (root === undefined) throw new FormatError('format/no-such-field', `"${field}" holds no text: name another field`)
  const places = new TextPlaces(root)
  const range = find === undefined ? places.block(block ?? 0) : places.find(find, block)
  const between = places.placesOf(range)
  if (between === undefined) throw new EditError('edit/not-found', 'there is no letter in that place')
  return anchorBetween(between.start, between.end)
}

/** Tells what stands at anchors in a document: undefined where that was removed, is no text, or stands too deep. */
export function quotesIn(ydoc: Y.Doc): (anchor: Anchor) => string | undefined {
  const roots = [...rootsOf(ydoc).keys()].flatMap((field) => placesIn(ydoc, field) ?? [])
  return ({ start, end = start }) => {
    try {
      const [from, to] = [placeIn(ydoc, start), placeIn(ydoc, end)]
      if (from === undefined || to === undefined) return undefined
      for (const places of roots) {
        const [first, last] = [places.offsetOf(from), places.offsetOf(to)]
        if (first === undefined || last === undefined || first >= last) continue
        return places.text.slice(first, last).trim().slice(0, MAX_QUOTE_LENGTH) || undefined
      }
      return undefined
    } catch {
      return undefined // somebody's anchor that fits no document of this shape
    }
  }
}

/** Undefined for a root that holds no text, or that is nested too deep: what else is quoted stays so. */
function placesIn(ydoc: Y.Doc, field: string): TextPlaces | undefined {
  const root = textRoot(ydoc, field)
  try {
    return root && new TextPlaces(root)
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

function textRoot(ydoc: Y.Doc, field: string): Y.XmlFragment | Y.Text | undefined {
  const root = ydoc.share.get(field)
  const kind = root && kindOfRoot(root)
  if (kind === 'text') return ydoc.getText(field)
  return kind === 'xmlFragment' ? ydoc.getXmlFragment(field) : undefined
}
