import type { Editor } from '@tiptap/core'
import type { EditorState } from '@tiptap/pm/state'
import {
  absolutePositionToRelativePosition,
  relativePositionToAbsolutePosition,
  ySyncPluginKey,
} from '@tiptap/y-tiptap'
import * as Y from 'yjs'
import { anchorBetween, placeIn } from '../../../model/anchors.ts'
import type { Anchor, RelativePosition } from '../../../model/chat.ts'

export interface TextRange {
  readonly from: number
  readonly to: number
}

interface Binding {
  readonly doc: Y.Doc
  readonly type: Y.XmlFragment
  readonly binding: { readonly mapping: Map<Y.AbstractType<unknown>, never> } | null
}

/** The selected text as a place in the document that edits around it don't move; undefined where none is selected. */
export function anchorOfSelection({ state }: Editor): Anchor | undefined {
  const { from, to, empty } = state.selection
  const sync = bindingOf(state)
  if (empty || sync?.binding == null) return undefined
  const { doc, type, binding } = sync
  const placeAt = (position: number) =>
    placeIn(doc, Y.relativePositionToJSON(absolutePositionToRelativePosition(position, type, binding.mapping)))
  const [start, end] = [placeAt(from), placeAt(to)]
  return start && end && anchorBetween(start, end)
}

/** Where an anchor is now; undefined when its text was removed, or isn't here yet. */
export function rangeOf(state: EditorState, { start, end = start }: Anchor): TextRange | undefined {
  const [from, to] = [start, end].map((position) => positionOf(state, position))
  if (from === undefined || to === undefined || from >= to || to > state.doc.content.size) return undefined
  return { from, to }
}

function positionOf(state: EditorState, position: RelativePosition): number | undefined {
  const sync = bindingOf(state)
  if (sync?.binding == null) return undefined
  try {
    const place = placeIn(sync.doc, position)
    if (place === undefined) return undefined
    // y-tiptap takes a character at the very start of the document for one that was looked up wrongly.
    const found =
      place.index === 0
        ? Y.createRelativePositionFromTypeIndex(place.type, 0, -1)
        : Y.createRelativePositionFromJSON(position)
    return relativePositionToAbsolutePosition(sync.doc, sync.type, found, sync.binding.mapping) ?? undefined
  } catch {
    return undefined // somebody's anchor that fits no document of this shape
  }
}

function bindingOf(state: EditorState): Binding | undefined {
  return ySyncPluginKey.getState(state)
}
