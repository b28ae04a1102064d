import * as Y from 'yjs'
import { z } from 'zod'
import { FormatError } from './format-error.ts'
import { checkDepth } from './limits.ts'
import { insertAll, setAttribute } from './xml-fragment.ts'

/**
 * A document of any Yjs types as JSON: its root types by name. A value that JSON has is itself; anything else is an object
 * with one property, which names its kind: a Yjs type (`map`, `array`, `text`, `xmlFragment`, `xmlElement`, `xmlText`), or
 * a plain value (`object`, `list`, `bytes` in base64, `bigint`, `number` for those that JSON lacks, `undefined`).
 */
export interface YjsJson {
  readonly roots: Readonly<Record<string, unknown>>
}

export type YType = Y.Doc['share'] extends Map<string, infer Type> ? Type : never
type SharedType = YType | Y.Map<unknown> | Y.Array<unknown> | Y.Text | Y.XmlFragment
export type RootKind = 'map' | 'array' | 'text' | 'xmlFragment'

/**
 * What kind a root type is. Yjs doesn't store that: it is what fits what the type holds. Undefined for one that holds
 * nothing.
 */
export function kindOfRoot(type: YType): RootKind | undefined {
  let kind: RootKind | undefined
  for (let item = type._start; item !== null; item = item.right) {
    const { content } = item
    if (content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed)
      return 'text'
    if (item.deleted) continue
    kind ??= content instanceof Y.ContentType && isXml(content.type) ? 'xmlFragment' : 'array'
  }
  return kind ?? (type._map.size > 0 ? 'map' : undefined)
}

/** The root types of a document with what they hold, by name and with their kinds. Those that hold nothing are left out. */
export function rootsOf(ydoc: Y.Doc): Map<string, RootKind> {
  const kinds = [...ydoc.share].map(([name, type]) => [name, kindOfRoot(type)] as const)
  return new Map(kinds.flatMap(([name, kind]) => (kind === undefined ? [] : [[name, kind]])))
}

/** @throws {FormatError} `format/unknown-node` for subdocuments, `format/too-deep` */
export function toYjsJson(ydoc: Y.Doc): YjsJson {
  const roots = [...rootsOf(ydoc)].map(([name, kind]) => [name, encodeType(rootAs(ydoc, name, kind), 0)] as const)
  return { roots: Object.fromEntries(roots) }
}

/** The document that toYjsJson() wrote. @throws {FormatError} `format/malformed`, `format/too-deep` */
export function fromYjsJson(value: unknown, ydoc = new Y.Doc()): Y.Doc {
  const { roots } = parse(z.strictObject({ roots: z.record(z.string(), z.unknown()) }), value)
  try {
    ydoc.transact(() => {
      for (const [name, root] of Object.entries(roots)) fillRoot(ydoc, name.toWellFormed(), root)
    })
  } catch (cause) {
    if (cause instanceof FormatError) throw cause
    throw new FormatError('format/malformed', 'there is a value where Yjs takes none of its kind', { cause })
  }
  return ydoc
}

function fillRoot(ydoc: Y.Doc, name: string, root: unknown): void {
  const [kind, content] = tagged(root)
  if (kind === 'map') fillMap(ydoc.getMap(name), content, 0)
  else if (kind === 'array') ydoc.getArray(name).push(listOf(content).map((each) => decode(each, 1)))
  else if (kind === 'text') fillText(ydoc.getText(name), content, 0)
  else if (kind === 'xmlFragment') insertAll(ydoc.getXmlFragment(name), 0, xmlChildren(content, 1))
  else throw malformed(`a root is a map, an array, a text or an xmlFragment, not "${kind.slice(0, 100)}"`)
}

function rootAs(ydoc: Y.Doc, name: string, kind: RootKind): SharedType {
  if (kind === 'map') return ydoc.getMap(name)
  if (kind === 'array') return ydoc.getArray(name)
  return kind === 'text' ? ydoc.getText(name) : ydoc.getXmlFragment(name)
}

function encode(value: unknown, depth: number): unknown {
  checkDepth(depth)
  if (value === undefined) return { undefined: true }
  if (typeof value === 'bigint') return { bigint: String(value) }
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { number: Object.is(value, -0) ? '-0' : String(value) }
  }
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') }
  if (value instanceof Y.Doc) throw new FormatError('format/unknown-node', 'the document holds a subdocument')
  if (value instanceof Y.AbstractType) return encodeType(value, depth)
  if (Array.isArray(value)) return { list: value.map((each) => encode(each, depth + 1)) }
  return { object: encodeEntries(Object.entries(value), depth) }
}

function encodeType(type: SharedType, depth: number): unknown {
  checkDepth(depth)
  if (type instanceof Y.XmlElement) {
    const attributes = encodeEntries(Object.entries(type.getAttributes()), depth)
    return { xmlElement: { name: type.nodeName, attributes, children: encodeList(type.toArray(), depth) } }
  }
  if (type instanceof Y.XmlFragment) return { xmlFragment: encodeList(type.toArray(), depth) }
  if (type instanceof Y.Text) {
    const delta: { insert?: unknown; attributes?: object }[] = type.toDelta()
    const parts = delta.map(({ insert, attributes }) => ({
      insert: encode(insert, depth + 1),
      ...(attributes && { formats: encodeEntries(Object.entries(attributes), depth) }),
    }))
    const attributes = Object.entries(type.getAttributes())
    const content = { parts, ...(attributes.length > 0 && { attributes: encodeEntries(attributes, depth) }) }
    return type instanceof Y.XmlText ? { xmlText: content } : { text: content }
  }
  if (type instanceof Y.Array) return { array: encodeList(type.toArray(), depth) }
  if (type instanceof Y.Map && !(type instanceof Y.XmlHook)) return { map: encodeEntries([...type.entries()], depth) }
  throw new FormatError('format/unknown-node', 'the document holds a Yjs type that JSON has no kind for')
}

function encodeList(values: readonly unknown[], depth: number): unknown[] {
  return values.map((value) => encode(value, depth + 1))
}

function encodeEntries(entries: readonly (readonly [string, unknown])[], depth: number): Record<string, unknown> {
  return Object.fromEntries(entries.map(([name, value]) => [name, encode(value, depth + 1)]))
}

function decode(value: unknown, depth: number): unknown {
  checkDepth(depth)
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null) return value
  const [kind, content] = tagged(value)
  switch (kind) {
    case 'map':
      return fillMap(new Y.Map(), content, depth)
    case 'array': {
      const array = new Y.Array<unknown>()
      for (const each of listOf(content)) array.push([decode(each, depth + 1)])
      return array
    }
    case 'text':
      return fillText(new Y.Text(), content, depth)
    case 'xmlText':
      return fillText(new Y.XmlText(), content, depth)
    case 'xmlElement':
      return xmlElement(content, depth)
    case 'xmlFragment': {
      const fragment = new Y.XmlFragment()
      insertAll(fragment, 0, xmlChildren(content, depth + 1))
      return fragment
    }
    default:
      return plainValue(kind, content, depth)
  }
}

/** What is no Yjs type. Such a value holds none either. */
function plainValue(kind: string, content: unknown, depth: number): unknown {
  const inside = (value: unknown) => {
    const decoded = decode(value, depth + 1)
    if (decoded instanceof Y.AbstractType) throw malformed(`a plain value can't hold a Yjs type: use "map" or "array"`)
    return decoded
  }
  switch (kind) {
    case 'object':
      return Object.fromEntries(entriesOf(content).map(([name, value]) => [name, inside(value)]))
    case 'list':
      return listOf(content).map(inside)
    case 'bytes':
      return new Uint8Array(Buffer.from(parse(z.base64(), content), 'base64'))
    case 'bigint':
      return parse(bigint, content)
    case 'number':
      return Number(parse(z.enum(['NaN', 'Infinity', '-Infinity', '-0']), content))
    case 'undefined':
      return undefined
    default:
      throw malformed(`there is no kind "${kind.slice(0, 100)}"`)
  }
}

/** As many as Yjs stores. */
const bigint = z
  .string()
  .regex(/^-?\d{1,19}$/)
  .transform(BigInt)
  .refine((value) => BigInt.asIntN(64, value) === value, 'has more than 64 bits')

function fillMap(map: Y.Map<unknown>, content: unknown, depth: number): Y.Map<unknown> {
  for (const [name, value] of entriesOf(content)) map.set(name, decode(value, depth + 1))
  return map
}

const textContent = z.strictObject({
  parts: z.array(z.strictObject({ insert: z.unknown(), formats: z.record(z.string(), z.unknown()).optional() })),
  attributes: z.record(z.string(), z.unknown()).optional(),
})

function fillText<T extends Y.Text>(text: T, content: unknown, depth: number): T {
  const { parts, attributes = {} } = parse(textContent, content)
  const decoded = (values: object) =>
    Object.fromEntries(entriesOf(values).map(([name, value]) => [name, plain(value, depth)]))
  text.applyDelta(
    parts
      .filter(({ insert }) => insert !== '')
      .map(({ insert, formats = {} }) => ({ insert: embed(insert, depth), attributes: decoded(formats) })),
  )
  for (const [name, value] of Object.entries(decoded(attributes))) text.setAttribute(name, value)
  return text
}

/** What stands in a text: letters, an object or a Yjs type. */
function embed(value: unknown, depth: number): string | object {
  const decoded = decode(value, depth + 1)
  if (typeof decoded === 'string' || (typeof decoded === 'object' && decoded !== null)) return decoded
  throw malformed('in a text stand letters, objects and Yjs types')
}

function plain(value: unknown, depth: number): unknown {
  const decoded = decode(value, depth + 1)
  if (decoded instanceof Y.AbstractType) throw malformed('a format or attribute is no Yjs type')
  return decoded
}

const elementContent = z.strictObject({
  name: z.string().min(1),
  attributes: z.record(z.string(), z.unknown()),
  children: z.array(z.unknown()),
})

function xmlElement(content: unknown, depth: number): Y.XmlElement {
  const { name, attributes, children } = parse(elementContent, content)
  const element = new Y.XmlElement(name)
  for (const [key, value] of entriesOf(attributes)) setAttribute(element, key, decode(value, depth + 1))
  insertAll(element, 0, xmlChildren(children, depth + 1))
  return element
}

function xmlChildren(content: unknown, depth: number): (Y.XmlElement | Y.XmlText)[] {
  return listOf(content).map((each) => {
    const child = decode(each, depth)
    if (child instanceof Y.XmlElement || child instanceof Y.XmlText) return child
    throw malformed('what stands in XML is an xmlElement or an xmlText')
  })
}

function tagged(value: unknown): readonly [string, unknown] {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  const [entry] = entries
  if (entry === undefined || entries.length > 1) throw malformed('a value that JSON lacks has one property, its kind')
  return entry
}

function entriesOf(value: unknown): [string, unknown][] {
  return Object.entries(parse(z.record(z.string(), z.unknown()), value)).map(([name, each]) => [
    name.toWellFormed(),
    each,
  ])
}

function listOf(value: unknown): readonly unknown[] {
  return parse(z.array(z.unknown()), value)
}

function isXml(type: YType): boolean {
  return type instanceof Y.XmlElement || type instanceof Y.XmlText || type instanceof Y.XmlHook
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw malformed(z.prettifyError(result.error))
}

function malformed(problem: string): FormatError {
  return new FormatError('format/malformed', problem)
}
