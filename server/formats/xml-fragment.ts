import * as Y from 'yjs'
import { checkDepth } from './limits.ts'
import { normalize } from './normalize.ts'
import { type Attributes, childrenOf, isText, type RichMark, type RichNode, textIn, textNode } from './rich-node.ts'

/** What a Yjs text holds, as Tiptap writes it: marks are its formats. */
export interface DeltaPart {
  readonly insert: string
  readonly attributes?: Record<string, unknown>
}

const MAX_ARGUMENTS = 1_000
/** The name of a mark that may stand several times at one place ends in a hash of the mark. */
const HASHED = /^(.*)--[a-zA-Z0-9+/=]{8}$/

/**
 * The document in a fragment, as Tiptap's collaboration extension would read it. It needs no schema: what no editor here
 * knows comes along.
 * @throws {FormatError} `format/too-deep`
 */
export function readFragment(fragment: Y.XmlFragment): RichNode {
  return normalize({ type: 'doc', content: readChildren(fragment, 1) })
}

/** The Yjs types for a node's children, as Tiptap's collaboration extension would make them. */
export function createChildren(node: RichNode): (Y.XmlElement | Y.XmlText)[] {
  return childUnits(node).map(createUnit)
}

/** A child of a Yjs element: neighbouring texts are one Yjs text there. */
export type Unit = RichNode | readonly TextNode[]
export type TextNode = RichNode & { readonly text: string }

export function isTextUnit(unit: Unit): unit is readonly TextNode[] {
  return Array.isArray(unit)
}

export function childUnits(node: RichNode): Unit[] {
  const units: Unit[] = []
  let run: TextNode[] | undefined
  for (const child of childrenOf(node)) {
    if (!isText(child)) {
      units.push(child)
      run = undefined
    } else if (run === undefined) {
      run = [child]
      units.push(run)
    } else {
      run.push(child)
    }
  }
  return units
}

export function createUnit(unit: Unit): Y.XmlElement | Y.XmlText {
  if (isTextUnit(unit)) {
    const text = new Y.XmlText()
    text.applyDelta(deltaOf(unit))
    return text
  }
  const element = new Y.XmlElement(unit.type)
  for (const [name, value] of Object.entries(unit.attrs ?? {})) setAttribute(element, name, value)
  insertAll(element, 0, createChildren(unit))
  return element
}

/** As many as there are: Yjs hands them on as arguments, of which there is a limit. */
export function insertAll(parent: Y.XmlFragment, at: number, children: readonly (Y.XmlElement | Y.XmlText)[]): void {
  for (let from = 0; from < children.length; from += MAX_ARGUMENTS) {
    parent.insert(at + from, children.slice(from, from + MAX_ARGUMENTS))
  }
}

export function deltaOf(texts: readonly TextNode[]): DeltaPart[] {
  return texts.map(({ text, marks = [] }) => ({ insert: text, attributes: formatsOf(marks) }))
}

export function formatsOf(marks: readonly RichMark[]): Record<string, unknown> {
  return Object.fromEntries(marks.map(({ type, attrs = {} }) => [type, attrs]))
}

/** A Yjs element, as far as its attributes go: Yjs keeps any JSON in them, and its types speak of text. */
interface AttributeHolder {
  setAttribute(name: string, value: unknown): void
}

/** Null is what an attribute is that isn't there: there is nothing to set. */
export function setAttribute(element: AttributeHolder, name: string, value: unknown): void {
  if (value !== null && value !== undefined) element.setAttribute(name, value)
}

/** The node that an element is. */
export function readElement(element: Y.XmlElement): RichNode {
  return normalize(rawElement(element, 1))
}

/** The texts that a Yjs text is. */
export function readText(text: Y.XmlText): TextNode[] {
  const texts = normalize({ type: 'paragraph', content: rawText(text) }).content ?? []
  return texts.map((node) => ({ ...node, text: textIn(node) }))
}

function readChildren(parent: Y.XmlFragment, depth: number): RichNode[] {
  checkDepth(depth)
  return parent.toArray().flatMap((child): RichNode[] => {
    if (child instanceof Y.XmlText) return rawText(child)
    return [child instanceof Y.XmlElement ? rawElement(child, depth) : { type: 'yXmlHook' }]
  })
}

function rawElement(element: Y.XmlElement, depth: number): RichNode {
  const attrs: Attributes = element.getAttributes()
  return { type: element.nodeName, attrs, content: readChildren(element, depth + 1) }
}

function rawText(text: Y.XmlText): RichNode[] {
  const parts: { insert?: unknown; attributes?: Record<string, unknown> }[] = text.toDelta()
  return parts.map(({ insert, attributes = {} }) => {
    const marks = Object.entries(attributes).map(([name, attrs]) => ({
      type: HASHED.exec(name)?.[1] ?? name,
      attrs: isAttributes(attrs) ? attrs : {},
    }))
    return typeof insert === 'string' ? textNode(insert, marks) : { type: 'yEmbed', marks }
  })
}

function isAttributes(value: unknown): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
