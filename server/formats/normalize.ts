import { FormatError } from './format-error.ts'
import { checkDepth } from './limits.ts'
import { type Attributes, childrenOf, isText, type RichMark, type RichNode, textNode } from './rich-node.ts'
import { richSchema } from './schema.ts'

/**
 * A node as ProseMirror would write it: with all attributes, neighbouring texts of the same marks as one, no empty text,
 * and a text's marks in the order of the schema. What the schema doesn't know stays.
 * @throws {FormatError} `format/too-deep`
 */
export function normalize(node: RichNode, depth = 0): RichNode {
  checkDepth(depth)
  const marks = sortMarks(node.marks ?? [])
  if (isText(node)) return textNode(node.text, marks)
  const content = mergeTexts(childrenOf(node).map((child) => normalize(child, depth + 1)))
  const attrs = withDefaults(richSchema.nodes[node.type]?.spec.attrs, node.attrs)
  return {
    type: node.type,
    ...(attrs && { attrs }),
    ...(content.length > 0 && { content }),
    ...(marks.length > 0 && { marks }),
  }
}

/** @throws {FormatError} `format/unknown-node`, `format/unknown-mark`: for formats that must understand all there is */
export function assertKnown(node: RichNode): void {
  if (richSchema.nodes[node.type] === undefined) {
    const problem = `the document holds a node "${node.type}", which only the formats json, text, yjs-json and update can say`
    throw new FormatError('format/unknown-node', problem)
  }
  for (const { type } of node.marks ?? []) {
    if (richSchema.marks[type] !== undefined) continue
    const problem = `the document holds a mark "${type}", which only the formats json, text, yjs-json and update can say`
    throw new FormatError('format/unknown-mark', problem)
  }
  for (const child of childrenOf(node)) assertKnown(child)
}

/** The same text for equal nodes, which normalize() gives their properties in the same order. */
export function keyOf(value: unknown): string {
  return JSON.stringify(value) ?? ''
}

function withDefaults(
  specs: Readonly<Record<string, { default?: unknown }>> | null | undefined,
  attrs: Attributes = {},
): Attributes | undefined {
  const filled = Object.entries(specs ?? {}).map(
    ([name, spec]) => [name, Object.hasOwn(attrs, name) ? attrs[name] : spec.default] as const,
  )
  const others = Object.entries(attrs)
    .filter(([name, value]) => !Object.hasOwn(specs ?? {}, name) && value !== null)
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return filled.length + others.length === 0 ? undefined : Object.fromEntries([...filled, ...others])
}

function sortMarks(marks: readonly RichMark[]): RichMark[] {
  const rank = ({ type }: RichMark) => Object.keys(richSchema.marks).indexOf(type)
  const filled = marks.map(({ type, attrs }) => {
    const all = withDefaults(richSchema.marks[type]?.spec.attrs, attrs)
    return { type, ...(all && { attrs: all }) }
  })
  return filled.sort((one, other) => rank(one) - rank(other) || (one.type < other.type ? -1 : 1))
}

function mergeTexts(nodes: readonly RichNode[]): RichNode[] {
  const merged: RichNode[] = []
  for (const node of nodes) {
    const last = merged.at(-1)
    if (!isText(node) || last === undefined || !isText(last) || keyOf(last.marks) !== keyOf(node.marks)) {
      if (!isText(node) || node.text !== '') merged.push(node)
    } else {
      merged[merged.length - 1] = textNode(last.text + node.text, node.marks)
    }
  }
  return merged
}
