import * as Y from 'yjs'
import type { Change, Entry, HistoryNode, HistoryRoot, HistoryValue } from '../../model/history.ts'
import type { Look, Piece } from './look.ts'
import { textRuns } from './text-runs.ts'

/** Deeper than any editor nests, and not so deep that the stack could end. */
const MAX_DEPTH = 200

type Type = Y.ContentType['type']

/** What each of a document's roots holds, with what changed; roots that show nothing are left out. */
export function renderRoots(doc: Y.Doc, look: Look): HistoryRoot[] {
  const roots = [...doc.share].map(([name, type]) => ({ name, content: rootNode(type, look) }))
  return roots
    .filter((root): root is HistoryRoot => root.content !== undefined)
    .sort((left, right) => (left.name < right.name ? -1 : 1))
}

/** Nobody has said what kind of type a root is: its content tells. */
function rootNode(type: Type, look: Look): HistoryNode | undefined {
  const seen = [...itemsOf(type)].find((item) => look.piece(item, undefined) !== undefined)
  if (seen === undefined) {
    const entries = entriesOf(type, look, undefined, 0)
    return entries.length === 0 ? undefined : { type: 'map', entries }
  }
  const { content } = seen
  if (content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed)
    return textNode(type, look, undefined, 0)
  if (content instanceof Y.ContentType && isXml(content.type))
    return { type: 'fragment', children: childrenOf(type, look, undefined, 0) }
  return { type: 'array', items: valuesOf(type, look, undefined, 0) }
}

function isXml(type: Type): boolean {
  return type instanceof Y.XmlFragment || type instanceof Y.XmlText || type instanceof Y.XmlHook
}

/** `change` is what happened to the type as a whole. */
function nodeOf(type: Type, look: Look, change: Change | undefined, depth: number): HistoryNode {
  const changed = change && { change }
  if (depth > MAX_DEPTH) return { type: 'omitted', ...changed }
  if (type instanceof Y.Text) return { ...textNode(type, look, change, depth), ...changed }
  if (type instanceof Y.XmlElement) {
    const attributes = entriesOf(type, look, change, depth)
    return {
      type: 'element',
      name: type.nodeName,
      attributes,
      children: childrenOf(type, look, change, depth),
      ...changed,
    }
  }
  if (type instanceof Y.XmlFragment) {
    return { type: 'fragment', children: childrenOf(type, look, change, depth), ...changed }
  }
  if (type instanceof Y.Map) return { type: 'map', entries: entriesOf(type, look, change, depth), ...changed }
  return { type: 'array', items: valuesOf(type, look, change, depth), ...changed }
}

function textNode(type: Type, look: Look, around: Change | undefined, depth: number): HistoryNode {
  const runs = textRuns(itemsOf(type), look, around, (inner, change) => nodeOf(inner, look, change, depth + 1))
  const attributes = entriesOf(type, look, around, depth)
  return { type: 'text', runs, ...(attributes.length > 0 && { attributes }) }
}

function childrenOf(type: Type, look: Look, around: Change | undefined, depth: number): HistoryNode[] {
  const children: HistoryNode[] = []
  for (const item of itemsOf(type)) {
    const piece = item.content instanceof Y.ContentType ? look.piece(item, around) : undefined
    if (piece === undefined || !(item.content instanceof Y.ContentType)) continue
    children.push(nodeOf(item.content.type, look, piece.change, depth + 1))
  }
  return children
}

function valuesOf(type: Type, look: Look, around: Change | undefined, depth: number) {
  const items: (HistoryValue & { change?: Change })[] = []
  for (const item of itemsOf(type)) {
    for (const piece of look.pieces(item, around)) {
      for (const value of contentOf(item, piece, look, depth)) {
        items.push({ ...value, ...(piece.change && { change: piece.change }) })
      }
    }
  }
  return items
}

/** Keys in the order they were first set. */
function entriesOf(type: Type, look: Look, around: Change | undefined, depth: number): Entry[] {
  const entries: Entry[] = []
  for (const [key, last] of type._map) {
    const now = last.deleted ? undefined : look.piece(last, around)
    const earlier = lastSeenBefore(last, look, around)
    const [value] = contentOf(last, now, look, depth)
    const [before] = contentOf(earlier?.item, earlier?.piece, look, depth)
    if (value !== undefined) {
      const { change } = now ?? {}
      if (change === undefined || before === undefined) entries.push({ key, ...value, ...(change && { change }) })
      else entries.push({ key, ...value, before, change: { ...change, kind: 'changed' } })
    } else if (before !== undefined && earlier !== undefined) {
      const { change } = earlier.piece
      entries.push({ key, ...before, ...(change && { change }) })
    }
  }
  return entries
}

/** What a key had before, among all values it was ever given. */
function lastSeenBefore(last: Y.Item, look: Look, around: Change | undefined) {
  for (let item: Y.Item | null = last; item !== null; item = item.left) {
    const piece = look.piece(item, around)
    if (piece?.was) return { item, piece }
  }
  return undefined
}

function contentOf(item: Y.Item | undefined, piece: Piece | undefined, look: Look, depth: number): HistoryValue[] {
  if (item === undefined || piece === undefined) return []
  const { content } = item
  if (content instanceof Y.ContentType) return [{ node: nodeOf(content.type, look, piece.change, depth + 1) }]
  if (content instanceof Y.ContentDoc) return [{ value: { subdocument: content.doc.guid } }]
  const { offset, length } = piece
  return content
    .getContent()
    .slice(offset, offset + length)
    .map((value: unknown) => ({ value }))
}

function* itemsOf(type: Type): Generator<Y.Item, void, undefined> {
  for (let item = type._start; item !== null; item = item.right) yield item
}
