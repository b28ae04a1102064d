import * as Y from 'yjs'
import type { Anchor, RelativePosition } from './chat.ts'

/** A place in a document as it is now: before the child of that number of a Yjs type. */
export type Place = Readonly<Pick<Y.AbsolutePosition, 'type' | 'index'>>

/**
 * What stands between two places, as it is kept with a comment: edits around it don't move it. What is typed right
 * before or right behind it is not part of it.
 */
export function anchorBetween(start: Place, end: Place): Anchor {
  return { start: relativePosition(start, 0), end: relativePosition(end, -1) }
}

/**
 * Where a position of an anchor is now; undefined when what held it was removed, or isn't here yet.
 * @throws {Error} for a position that fits no document of this shape
 */
export function placeIn(ydoc: Y.Doc, position: RelativePosition): Place | undefined {
  const place = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), ydoc)
  return place === null || isDeleted(place.type) ? undefined : place
}

/** A position that stays with what is behind the place (0), or before it (-1). */
export function relativePosition({ type, index }: Place, side: 0 | -1): RelativePosition {
  return Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(type, index, side))
}

function isDeleted(type: Place['type']): boolean {
  for (let item = type._item; item !== null; ) {
    if (item.deleted) return true
    const { parent } = item
    item = parent instanceof Y.AbstractType ? parent._item : null
  }
  return false
}
