import type { Editor } from '@tiptap/core'
import type { EditorState } from '@tiptap/pm/state'
import {
  absolutePositionToRelativePosition,
  relativePositionToAbsolutePosition,
  ySyncPluginKey,
} from '@tiptap/y-tiptap'
import * as Y from 'yjs'
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
  const start: Y.RelativePosition = absolutePositionToRelativePosition(from, type, binding.mapping)
  const end: Y.RelativePosition = absolutePositionToRelativePosition(to, type, binding.mapping)
  return { start: Y.relativePositionToJSON(holdingOnToTheRight(start, doc)), end: Y.relativePositionToJSON(end) }
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
    const relative = Y.createRelativePositionFromJSON(position)
    const place = Y.createAbsolutePositionFromRelativePosition(relative, sync.doc)
    if (place === null || isDeleted(place.type)) return undefined
    // y-tiptap takes a character at the very start of the document for one that was looked up wrongly.
    const found = place.index === 0 ? Y.createRelativePositionFromTypeIndex(place.type, 0, -1) : relative
    return relativePositionToAbsolutePosition(sync.doc, sync.type, found, sync.binding.mapping) ?? undefined
  } catch {
    return undefined // somebody's anchor that fits no document of this shape
  }
}

function isDeleted(type: Y.AbstractType<unknown>): boolean {
  for (let item = type._item; item !== null; item = (item.parent as Y.AbstractType<unknown>)._item) {
    if (item.deleted) return true
  }
  return false
}

/** What is typed right before a comment's text is not part of it. */
function holdingOnToTheRight(position: Y.RelativePosition, doc: Y.Doc): Y.RelativePosition {
  const place = Y.createAbsolutePositionFromRelativePosition(position, doc)
  return place === null ? position : Y.createRelativePositionFromTypeIndex(place.type, place.index, 0)
}

function bindingOf(state: EditorState): Binding | undefined {
  return ySyncPluginKey.getState(state)
}
