import { z } from 'zod'
import { FormatError } from './format-error.ts'
import { checkDepth } from './limits.ts'
import { isAllowedHref, isAllowedSource } from './links.ts'
import { normalize } from './normalize.ts'
import { type Attributes, childrenOf, type RichMark, type RichNode } from './rich-node.ts'
import { richSchema } from './schema.ts'

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
/** Of an attribute that the schema doesn't know. Editors leave out those that they don't know either. */
const otherAttribute = z.union([scalar, z.array(scalar)])
const optional = (schema: z.ZodType) => schema.nullable()
const size = optional(z.union([z.number().min(0), z.string().max(32)]))
const text = optional(z.string())

/** Of nodes: what an editor makes of an attribute depends on it being of its kind. */
const attributes: Readonly<Record<string, z.ZodType>> = {
  level: z.int().min(1).max(6),
  start: z.int().min(0).max(999_999_999),
  checked: z.boolean(),
  colspan: z.int().min(1).max(1000),
  rowspan: z.int().min(1).max(1000),
  colwidth: optional(z.array(z.number().min(0))),
  align: text,
  language: text,
  type: text,
  src: text,
  alt: text,
  title: text,
  href: text,
  target: text,
  rel: text,
  class: text,
  width: size,
  height: size,
}

/**
 * The document that somebody sent as Tiptap JSON.
 * @throws {FormatError} `format/malformed`, `format/unknown-node`, `format/unknown-mark`, `format/bad-link`,
 * `format/invalid-document` for what an editor would not take, `format/too-deep`
 */
export function parseRich(value: unknown): RichNode {
  const node = normalize(nodeFrom(value, 0))
  if (node.type !== 'doc') throw new FormatError('format/malformed', 'a document is a node of the type "doc"')
  checkContent(node)
  return node
}

/** @throws {FormatError} `format/invalid-document`: ProseMirror would refuse it, and editors throw such nodes away */
export function checkContent(doc: RichNode): void {
  // What an editor shows as an empty paragraph.
  if (childrenOf(doc).length === 0) return
  try {
    richSchema.nodeFromJSON(doc).check()
  } catch (cause) {
    throw new FormatError('format/invalid-document', `no editor would take it: ${messageOf(cause)}`, { cause })
  }
}

function nodeFrom(value: unknown, depth: number): RichNode {
  checkDepth(depth)
  const { type, text, attrs, marks, content } = objectFrom(value, 'a node')
  if (typeof type !== 'string') throw malformed('a node has a "type"')
  if (richSchema.nodes[type] === undefined)
    throw new FormatError('format/unknown-node', `there is no node "${type.slice(0, 100)}" in the schema`)
  const markList = listFrom(marks, 'marks').map(markFrom)
  if (type === 'text') {
    if (typeof text !== 'string') throw malformed('a node of the type "text" has a "text"')
    return { type, text: text.toWellFormed(), marks: markList }
  }
  const values = attributesFrom(attrs)
  if (type === 'image' && (values.src ?? null) !== null && !isAllowedSource(values.src))
    throw new FormatError('format/bad-link', 'an image’s "src" is an http(s) address, or a path that begins with one /')
  return {
    type,
    attrs: values,
    marks: markList,
    content: listFrom(content, 'content').map((child) => nodeFrom(child, depth + 1)),
  }
}

function markFrom(value: unknown): RichMark {
  const { type, attrs } = objectFrom(value, 'a mark')
  if (typeof type !== 'string') throw malformed('a mark has a "type"')
  if (richSchema.marks[type] === undefined)
    throw new FormatError('format/unknown-mark', `there is no mark "${type.slice(0, 100)}" in the schema`)
  const values = attributesFrom(attrs)
  if (type === 'link' && !isAllowedHref(values.href))
    throw new FormatError('format/bad-link', 'a link’s "href" is an http, https or mailto address')
  return { type, attrs: values }
}

function attributesFrom(value: unknown): Attributes {
  if (value === undefined || value === null) return {}
  const entries = Object.entries(objectFrom(value, 'attrs')).map(([name, attribute]) => {
    const known = Object.hasOwn(attributes, name) ? attributes[name] : undefined
    const result = (known ?? otherAttribute).safeParse(attribute)
    if (!result.success) throw malformed(`the attribute "${name.slice(0, 100)}" ${result.error.issues[0]?.message}`)
    return [name.toWellFormed(), wellFormed(attribute)] as const
  })
  return Object.fromEntries(entries)
}

/** Yjs would store half of a surrogate pair as something else than it shows. */
function wellFormed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wellFormed)
  return typeof value === 'string' ? value.toWellFormed() : value
}

function objectFrom(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw malformed(`${what} is an object`)
}

function listFrom(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  throw malformed(`"${what}" is a list`)
}

function malformed(problem: string): FormatError {
  return new FormatError('format/malformed', problem)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : String(error)
}
