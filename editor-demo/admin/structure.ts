import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'

/** What one Yjs type or value is, for people; what is inside is looked at when it is asked for. */
export interface Part {
  readonly key: string
  readonly label: string
  /** Undefined for what holds nothing. */
  readonly children: (() => readonly Part[]) | undefined
}

type SharedType = Y.ContentType['type']

const MAX_TEXT = 120

/** A document of what `GET …/parts` answered. @throws {Error} for what is no such answer */
export function readDocument(bytes: Uint8Array): Y.Doc {
  const ydoc = new Y.Doc()
  const decoder = decoding.createDecoder(bytes)
  ydoc.transact(() => {
    while (decoding.hasContent(decoder)) Y.applyUpdate(ydoc, decoding.readVarUint8Array(decoder))
  })
  return ydoc
}

/** The top-level types of a document. */
export function partsOf(ydoc: Y.Doc): Part[] {
  return Array.from(ydoc.share, ([name, type]) => partOf(name, name, type))
}

/** Without asking a top-level type what it is, which nobody has said here: all of them are made of the same. */
function partOf(key: string, name: string, type: SharedType): Part {
  const size = type._length + keysOf(type).length
  const kind = kindOf(type)
  const label = `${name === '' ? '' : `${name}: `}${kind}${size === 0 ? ', empty' : ` of ${size}`}`
  return { key, label, children: size === 0 ? undefined : () => childrenOf(type) }
}

function childrenOf(type: SharedType): Part[] {
  const parts = keysOf(type).map(([name, item]) => contentPart(`.${name}`, name, item))
  for (const item of liveItems(type)) parts.push(contentPart(`${item.id.client}:${item.id.clock}`, '', item))
  return parts
}

function keysOf(type: SharedType): [string, Y.Item][] {
  return [...type._map].filter(([, item]) => !item.deleted)
}

function contentPart(key: string, name: string, { content }: Y.Item): Part {
  if (content instanceof Y.ContentType) return partOf(key, name, content.type)
  const value = valueText(content)
  return { key, label: name === '' ? value : `${name}: ${value}`, children: undefined }
}

function valueText(content: Y.Item['content']): string {
  if (content instanceof Y.ContentString) return shortened(JSON.stringify(content.str))
  if (content instanceof Y.ContentFormat) return shortened(`format ${content.key} = ${JSON.stringify(content.value)}`)
  if (content instanceof Y.ContentEmbed) return shortened(`embed ${JSON.stringify(content.embed)}`)
  if (content instanceof Y.ContentBinary) return `${content.content.length} bytes`
  if (content instanceof Y.ContentDoc) return `document ${content.doc.guid}`
  return shortened(
    content
      .getContent()
      .map((value) => JSON.stringify(value) ?? 'undefined')
      .join(', '),
  )
}

function kindOf(type: SharedType): string {
  if (type instanceof Y.XmlElement) return `<${type.nodeName}>`
  if (type instanceof Y.XmlText) return 'XmlText'
  if (type instanceof Y.XmlFragment) return 'XmlFragment'
  if (type instanceof Y.Text) return 'Text'
  if (type instanceof Y.Array) return 'Array'
  if (type instanceof Y.Map) return 'Map'
  return guessOf(type)
}

/** What a top-level type seems to be, by what it holds. */
function guessOf(type: SharedType): string {
  const [first] = liveItems(type)
  if (first === undefined) return keysOf(type).length > 0 ? 'Map' : 'type'
  const { content } = first
  if (content instanceof Y.ContentString || content instanceof Y.ContentFormat) return 'Text'
  const isXml =
    content instanceof Y.ContentType && (content.type instanceof Y.XmlElement || content.type instanceof Y.XmlText)
  return isXml ? 'XmlFragment' : 'Array'
}

function* liveItems(type: SharedType): Generator<Y.Item> {
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted) yield item
}

function shortened(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}
