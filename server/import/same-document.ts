import { createHash, type Hash } from 'node:crypto'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

/** What two replicas have to agree in. */
export interface DocumentPrint {
  /** State vector and deletions. */
  readonly snapshot: Y.Snapshot
  /** What waits for structs that never came. */
  readonly waiting: string
  /** Of all that is there and not deleted, in its order. */
  readonly content: string
}

type SharedType = Y.Doc['share'] extends Map<string, infer Type> ? Type : never

export function printOf(ydoc: Y.Doc): DocumentPrint {
  const { pendingStructs, pendingDs } = ydoc.store
  const missing = [...(pendingStructs?.missing ?? [])].sort(([one], [other]) => one - other)
  const waiting = JSON.stringify([missing, pendingDs === null ? null : Buffer.from(pendingDs).toString('base64')])
  return { snapshot: Y.snapshot(ydoc), waiting, content: contentOf(ydoc) }
}

export function isSame(one: DocumentPrint, other: DocumentPrint): boolean {
  return (
    Y.equalSnapshots(one.snapshot, other.snapshot) && one.waiting === other.waiting && one.content === other.content
  )
}

/** However Yjs has cut or joined what was written in one go. Without recursion: documents nest as deep as they like. */
function contentOf(ydoc: Y.Doc): string {
  const hash = createHash('sha256')
  const types: [string, SharedType][] = [...ydoc.share]
    .filter(([, type]) => type._start !== null || type._map.size > 0) // asking for a root makes one
    .sort(([one], [other]) => (one < other ? -1 : 1))
  for (let next = types.pop(); next !== undefined; next = types.pop()) {
    const [label, type] = next
    hash.update(`\ntype ${JSON.stringify(label)}`)
    const children = (item: Y.Item) => addContent(hash, item, types)
    for (let item = type._start; item !== null; item = item.right) if (!item.deleted) children(item)
    for (const [key, item] of [...type._map].sort(([one], [other]) => (one < other ? -1 : 1))) {
      if (item.deleted) continue
      hash.update(`\nkey ${JSON.stringify(key)}`)
      children(item)
    }
  }
  return hash.digest('base64')
}

function addContent(hash: Hash, { id, content }: Y.Item, types: [string, SharedType][]): void {
  if (content instanceof Y.ContentString) {
    // In two bytes each, since Yjs may cut between the two halves of an emoji.
    hash.update(Buffer.from(content.str, 'utf16le'))
  } else if (content instanceof Y.ContentType) {
    const { type } = content
    const nodeName = type instanceof Y.XmlElement ? type.nodeName : ''
    hash.update(`\n${type.constructor.name} ${JSON.stringify(nodeName)}`)
    types.push([`${id.client}:${id.clock}`, type])
  } else if (content instanceof Y.ContentFormat) {
    hash.update(`\nformat ${JSON.stringify([content.key, content.value])}`)
  } else if (content instanceof Y.ContentDoc) {
    addValue(hash, [content.doc.guid, content.opts])
  } else {
    for (const value of content.getContent()) addValue(hash, value)
  }
}

function addValue(hash: Hash, value: Parameters<typeof encoding.writeAny>[1]): void {
  hash.update('\nvalue ')
  hash.update(encoding.encode((encoder) => encoding.writeAny(encoder, value)))
}
