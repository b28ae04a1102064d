import * as Y from 'yjs'
import { isPlain } from './plain-value.ts'
import { deletedStructs, newStructs } from './transaction-structs.ts'

/** Deeper than any editor nests: types inside each other each have a path as long as they are many. */
const MAX_DEPTH = 200
const NO_PLACE = `a part of the update has no place, or stands more than ${MAX_DEPTH} deep`

/** What a root type of a document is. */
export type RootType = 'array' | 'map' | 'text' | 'xml'

/** What was written, or deleted. `deleted` is what its writer deleted before it was sent. */
export type ValueType =
  | 'string'
  | 'number'
  | 'boolean'
  | 'null'
  | 'object'
  | 'binary'
  | 'array'
  | 'map'
  | 'text'
  | 'xml-fragment'
  | 'xml-element'
  | 'xml-text'
  | 'characters'
  | 'format'
  | 'embed'
  | 'subdocument'
  | 'deleted'

/** One thing that an update does. */
export interface Change {
  /**
   * The root type, then keys; `*` stands for an entry of a list or a child in XML, and `@<name>` for an attribute:
   * `['tasks', '*', 'title']`. Characters, formats and embedded objects have the path of their text.
   */
  readonly path: readonly string[]
  readonly action: 'write' | 'delete'
  readonly type: ValueType
  /** Plain values, characters, and the names of XML elements. */
  readonly value?: unknown
  /** Of a value as JSON, characters; bytes of what is binary; 0 for types, whose content comes by itself. */
  readonly size: number
  /** How much the type that it is in holds after the update: characters, entries or keys. */
  readonly length: number
}

/** What no client makes that wants its edit to be seen. */
export interface HiddenChange {
  readonly problem: string
}

/**
 * What `transaction` did, each new and each deleted struct, so that nothing is hidden in a place where no event tells of it.
 * Who deletes a type deletes all that is in it, and who writes over a value deletes that.
 */
export function describeChange(transaction: Y.Transaction): readonly Change[] | HiddenChange {
  const changes: Change[] = []
  const structs = [
    ...newStructs(transaction).map((struct) => ({ struct, action: 'write' }) as const),
    ...deletedStructs(transaction).map((struct) => ({ struct, action: 'delete' }) as const),
  ]
  for (const { struct, action } of structs) {
    // What was deleted with all around it before it was sent: it has no place and no content.
    if (!(struct instanceof Y.Item)) continue
    const described = describeItem(struct, action)
    if ('problem' in described) return described
    for (const change of described) changes.push(change)
  }
  return changes
}

function describeItem(item: Y.Item, action: Change['action']): Change[] | HiddenChange {
  const { parent, parentSub, content } = item
  const at = parent instanceof Y.AbstractType ? pathOf(parent) : undefined
  if (!(parent instanceof Y.AbstractType) || at === undefined) return { problem: NO_PLACE }
  const problem = placeProblem(parent, parentSub, content)
  if (problem !== undefined) return { problem: `${at.join('/')}: ${problem}` }
  const isInText = parentSub === null && isText(parent) && !(content instanceof Y.ContentType)
  const path = isInText ? at : [...at, stepTo(parent, parentSub)]
  const length = lengthOf(parent)
  const values = valuesOf(content)
  if (values === undefined) return { problem: `${path.join('/')}: a value of an unknown kind` }
  return values.map((value) => ({ path, action, length, ...value }))
}

/** From the root type; undefined where that is none of the document, or further away than MAX_DEPTH. */
function pathOf(type: Y.AbstractType<unknown>): string[] | undefined {
  const steps: string[] = []
  let at = type
  for (let item = at._item; item !== null; item = at._item) {
    const { parent, parentSub } = item
    if (steps.length === MAX_DEPTH || !(parent instanceof Y.AbstractType)) return undefined
    steps.push(stepTo(parent, parentSub))
    at = parent
  }
  for (const [name, root] of type.doc?.share ?? []) if (root === at) return [name, ...steps.reverse()]
  return undefined
}

function stepTo(parent: Y.AbstractType<unknown>, key: string | null): string {
  if (key === null) return '*'
  return parent instanceof Y.Map ? key : `@${key}`
}

/** Why nobody who reads the document by the kinds of its types would see `content` there. */
function placeProblem(
  parent: Y.AbstractType<unknown>,
  key: string | null,
  content: Y.Item['content'],
): string | undefined {
  // A root type that nobody has defined is of no kind.
  if (content instanceof Y.ContentDeleted || parent.constructor === Y.AbstractType) return undefined
  const isOfText = isText(parent)
  const hasKeys = parent instanceof Y.Map || parent instanceof Y.XmlElement || isOfText
  if (key === '__proto__') return 'this name is not for values'
  if (key !== null) {
    if (!hasKeys) return 'a list has no keys'
    return content instanceof Y.ContentString || content instanceof Y.ContentFormat ? 'no value for a key' : undefined
  }
  if (parent instanceof Y.Map) return 'a map has no list'
  const isOfTextOnly =
    content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed
  if (isOfTextOnly !== isOfText && !(content instanceof Y.ContentType)) return 'content that does not belong here'
  const isXml = parent instanceof Y.XmlFragment
  return isXml && !(content instanceof Y.ContentType) ? 'content that does not belong here' : undefined
}

type Value = Pick<Change, 'type' | 'value' | 'size'>

/** What is in a struct; undefined for what is no value. */
function valuesOf(content: Y.Item['content']): Value[] | undefined {
  if (content instanceof Y.ContentString) return [{ type: 'characters', value: content.str, size: content.str.length }]
  if (content instanceof Y.ContentFormat) return [plainValue('format', { [content.key]: content.value })]
  if (content instanceof Y.ContentEmbed)
    return isPlain(content.embed) ? [plainValue('embed', content.embed)] : undefined
  if (content instanceof Y.ContentBinary) return [{ type: 'binary', size: content.content.length }]
  if (content instanceof Y.ContentDoc) return [{ type: 'subdocument', size: 0 }]
  if (content instanceof Y.ContentDeleted) return [{ type: 'deleted', size: 0 }]
  if (content instanceof Y.ContentType) {
    const type = typeOf(content.type)
    return (
      type && [
        content.type instanceof Y.XmlElement ? { type, value: content.type.nodeName, size: 0 } : { type, size: 0 },
      ]
    )
  }
  if (!(content instanceof Y.ContentAny) || !content.arr.every((value) => isPlain(value))) return undefined
  return content.arr.map((value: unknown) => plainValue(kindOf(value), value))
}

function plainValue(type: ValueType, value: unknown): Value {
  return { type, value, size: JSON.stringify(value)?.length ?? 0 }
}

function kindOf(value: unknown): ValueType {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'number') return 'number'
  return typeof value === 'boolean' ? 'boolean' : 'object'
}

function typeOf(type: Y.AbstractType<unknown>): ValueType | undefined {
  // By their own classes: Y.XmlHook is a Y.Map, and Y.XmlText a Y.Text.
  const kinds: readonly [object, ValueType][] = [
    [Y.Map, 'map'],
    [Y.Array, 'array'],
    [Y.Text, 'text'],
    [Y.XmlText, 'xml-text'],
    [Y.XmlElement, 'xml-element'],
    [Y.XmlFragment, 'xml-fragment'],
  ]
  return kinds.find(([kind]) => type.constructor === kind)?.[1]
}

function isText(type: Y.AbstractType<unknown>): boolean {
  return type instanceof Y.Text
}

function lengthOf(type: Y.AbstractType<unknown>): number {
  return type instanceof Y.Map ? type.size : type._length
}
