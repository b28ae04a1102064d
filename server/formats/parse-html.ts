import { type DefaultTreeAdapterMap, type DefaultTreeAdapterTypes, defaultTreeAdapter, Parser } from 'parse5'
import { FormatError } from './format-error.ts'
import { MAX_DEPTH } from './limits.ts'

export type HtmlNode = DefaultTreeAdapterTypes.ChildNode
export type HtmlElement = DefaultTreeAdapterTypes.Element

/** A table has an element more than it has nodes, and marks are elements too. */
const MAX_ELEMENTS_DEEP = 2 * MAX_DEPTH
const MAX_ATTRIBUTES = 500
/** How much is read before the attributes of a tag that goes on are counted. */
const CHUNK = 1024

/**
 * HTML as a browser reads it, without running or loading anything.
 * @throws {FormatError} `format/too-deep`, `format/too-big`: reading takes the square of both
 */
export function parseHtml(html: string): readonly HtmlNode[] {
  let depth = 0
  const treeAdapter = {
    ...defaultTreeAdapter,
    onItemPush() {
      depth += 1
      if (depth > MAX_ELEMENTS_DEEP) throw new FormatError('format/too-deep', 'elements stand too deep in each other')
    },
    onItemPop() {
      depth -= 1
    },
  }
  const parser = Parser.getFragmentParser<DefaultTreeAdapterMap>(null, { treeAdapter, scriptingEnabled: false })
  for (let at = 0; at < html.length || at === 0; at += CHUNK) {
    parser.tokenizer.write(html.slice(at, at + CHUNK), at + CHUNK >= html.length)
    if (attributesUnderWay(parser.tokenizer) > MAX_ATTRIBUTES)
      throw new FormatError('format/too-big', `an element has at most ${MAX_ATTRIBUTES} attributes`)
  }
  return parser.getFragment().childNodes
}

/** How many attributes the tag has that is being read: each is compared with all before it. */
function attributesUnderWay(tokenizer: object): number {
  const token: unknown = Reflect.get(tokenizer, 'currentToken')
  if (typeof token !== 'object' || token === null || !('attrs' in token)) return 0
  return Array.isArray(token.attrs) ? token.attrs.length : 0
}

export function isElement(node: HtmlNode): node is HtmlElement {
  return 'tagName' in node
}

export function attributeOf({ attrs }: HtmlElement, name: string): string | undefined {
  return attrs.find((attribute) => attribute.name === name)?.value
}

/** All elements in a node with one of these names, the outermost only. */
export function elementsIn(node: HtmlElement, ...names: readonly string[]): HtmlElement[] {
  return node.childNodes.filter(isElement).flatMap((child) => {
    return names.includes(child.tagName) ? [child] : elementsIn(child, ...names)
  })
}

/** All the text in a node. */
export function textOf(node: HtmlNode): string {
  if (isElement(node)) return node.tagName === 'br' ? '\n' : node.childNodes.map(textOf).join('')
  return 'value' in node ? node.value : ''
}
