import { BlockBuilder, itemContent } from './block-builder.ts'
import { isAllowedHref, isAllowedSource } from './links.ts'
import { normalize } from './normalize.ts'
import { attributeOf, elementsIn, type HtmlElement, type HtmlNode, isElement, parseHtml, textOf } from './parse-html.ts'
import { checkContent } from './rich-json.ts'
import { type Attributes, type RichMark, type RichNode, textNode } from './rich-node.ts'

/** What says nothing that is text, or what must not be taken for text. */
const IGNORED = new Set(
  'script style head title meta link base template noscript iframe object embed svg math select textarea input audio video canvas colgroup'.split(
    ' ',
  ),
)
const BLOCKS = new Set(
  'address article aside body center dd details dialog div dl dt fieldset figcaption figure footer form header html li main nav section summary caption'.split(
    ' ',
  ),
)
const MARKS: Readonly<Record<string, string>> = {
  strong: 'bold',
  b: 'bold',
  em: 'italic',
  i: 'italic',
  s: 'strike',
  del: 'strike',
  strike: 'strike',
  u: 'underline',
  ins: 'underline',
  mark: 'highlight',
  code: 'code',
}

/**
 * The document that HTML says. Of elements that the schema doesn't know the text is taken; of links that lead elsewhere
 * than the web or e-mail, the text; scripts and styles are left out, and images from elsewhere have no source.
 * @throws {FormatError} `format/too-deep`, `format/too-big`
 */
export function fromHtml(html: string): RichNode {
  const doc = normalize({ type: 'doc', content: blocksFrom(parseHtml(html.toWellFormed())) })
  checkContent(doc)
  return doc
}

/** The blocks that HTML says, for a format that holds pieces of it. */
export function blocksFrom(nodes: readonly HtmlNode[]): RichNode[] {
  const builder = new BlockBuilder()
  addAll(nodes, builder, [], false)
  builder.flush()
  return builder.blocks
}

function addAll(nodes: readonly HtmlNode[], builder: BlockBuilder, marks: readonly RichMark[], isPre: boolean): void {
  for (const node of nodes) {
    if (isElement(node)) addElement(node, builder, marks, isPre)
    else if (node.nodeName === '#text' && 'value' in node) addText(node.value, builder, marks, isPre)
  }
}

function addText(text: string, builder: BlockBuilder, marks: readonly RichMark[], isPre: boolean): void {
  if (!isPre) builder.addText(text, marks)
  else if (text !== '') builder.addInline(textNode(text, marks))
}

function addElement(element: HtmlElement, builder: BlockBuilder, marks: readonly RichMark[], isPre: boolean): void {
  const { tagName, childNodes } = element
  if (IGNORED.has(tagName)) return
  const blocks = blocksOf(element, marks)
  if (blocks !== undefined) builder.addBlocks(blocks)
  else if (tagName === 'br') builder.addInline({ type: 'hardBreak', marks })
  else addAll(childNodes, builder, withMark(marks, markFrom(element)), isPre || isPreformatted(element))
}

/** What an element is as blocks; undefined for one that stands in text. */
function blocksOf(element: HtmlElement, marks: readonly RichMark[]): readonly RichNode[] | undefined {
  const { tagName } = element
  const inside = () => blocksIn(element, new BlockBuilder(), marks)
  if (BLOCKS.has(tagName)) return inside()
  if (/^h[1-6]$/.test(tagName)) {
    const heading = { type: 'heading', attrs: { level: Number(tagName[1]) } }
    const blocks = blocksIn(element, new BlockBuilder(heading), marks)
    return blocks.length > 0 ? blocks : [heading]
  }
  switch (tagName) {
    case 'p':
      return orEmpty(inside())
    case 'blockquote':
      return [{ type: 'blockquote', content: orEmpty(inside()) }]
    case 'ul':
    case 'ol':
      return listFrom(element, marks)
    case 'table':
      return tableFrom(element, marks)
    case 'pre':
      return [codeFrom(element)]
    case 'hr':
      return [{ type: 'horizontalRule' }]
    case 'img':
      return [imageFrom(element)]
    default:
      return undefined
  }
}

function blocksIn(element: HtmlElement, builder: BlockBuilder, marks: readonly RichMark[]): RichNode[] {
  addAll(element.childNodes, builder, marks, isPreformatted(element))
  builder.flush()
  return builder.blocks
}

function listFrom(list: HtmlElement, marks: readonly RichMark[]): RichNode[] {
  const items: { readonly isTask: boolean; readonly isChecked: boolean; readonly content: RichNode[] }[] = []
  for (const child of list.childNodes) {
    if (!isElement(child) && textOf(child).trim() === '') continue
    if (isElement(child) && IGNORED.has(child.tagName)) continue
    const last = items.at(-1)
    if (isElement(child) && child.tagName === 'li') {
      const box = elementsIn(child, 'input', 'ul', 'ol').find((input) => attributeOf(input, 'type') === 'checkbox')
      const checked = attributeOf(child, 'data-checked')
      items.push({
        isTask: box !== undefined || checked !== undefined,
        isChecked:
          checked === 'true' || checked === '' || (box !== undefined && attributeOf(box, 'checked') !== undefined),
        content: blocksIn(child, new BlockBuilder(), marks),
      })
    } else {
      // A list in a list, as it is often written: it belongs to the item before it.
      const blocks = blocksFrom([child])
      if (last !== undefined) for (const block of blocks) last.content.push(block)
      else if (blocks.length > 0) items.push({ isTask: false, isChecked: false, content: blocks })
    }
  }
  if (items.length === 0) return []
  const contentOf = ({ content }: { content: RichNode[] }) => itemContent(content)
  if (attributeOf(list, 'data-type') === 'taskList' || items.every(({ isTask }) => isTask)) {
    const tasks = items.map((item) => ({
      type: 'taskItem',
      attrs: { checked: item.isChecked },
      content: contentOf(item),
    }))
    return [{ type: 'taskList', content: tasks }]
  }
  const content = items.map((item) => ({ type: 'listItem', content: contentOf(item) }))
  if (list.tagName === 'ul') return [{ type: 'bulletList', content }]
  const attrs = { start: wholeNumber(attributeOf(list, 'start'), 0) ?? 1, type: attributeOf(list, 'type') ?? null }
  return [{ type: 'orderedList', attrs, content }]
}

function tableFrom(table: HtmlElement, marks: readonly RichMark[]): RichNode[] {
  const captions = table.childNodes.filter((child) => child.nodeName === 'caption')
  const rows = elementsIn(table, 'tr', 'caption')
    .filter(({ tagName }) => tagName === 'tr')
    .map((row) => ({
      type: 'tableRow',
      content: row.childNodes
        .filter(isElement)
        .filter(({ tagName }) => tagName === 'td' || tagName === 'th')
        .map((cell) => ({
          type: cell.tagName === 'td' ? 'tableCell' : 'tableHeader',
          attrs: cellAttributes(cell),
          content: orEmpty(blocksIn(cell, new BlockBuilder(), marks)),
        })),
    }))
  const before = blocksFrom(captions)
  return rows.length === 0 ? before : [...before, { type: 'table', content: rows }]
}

function cellAttributes(cell: HtmlElement): Attributes {
  const widths = (attributeOf(cell, 'colwidth') ?? '').split(',').map((width) => wholeNumber(width, 0))
  const align = /(?:^|;)\s*text-align:\s*([a-z-]+)/i.exec(attributeOf(cell, 'style') ?? '')?.[1]
  return {
    colspan: wholeNumber(attributeOf(cell, 'colspan'), 1, 1000) ?? 1,
    rowspan: wholeNumber(attributeOf(cell, 'rowspan'), 1, 1000) ?? 1,
    colwidth: widths.every((width) => width !== undefined) ? widths : null,
    align: align ?? attributeOf(cell, 'align') ?? null,
  }
}

function codeFrom(pre: HtmlElement): RichNode {
  const [code] = elementsIn(pre, 'code')
  const language = /(?:^|\s)language-(\S.*)$/.exec((code && attributeOf(code, 'class')) ?? '')?.[1]
  const text = textOf(pre).replace(/\n$/, '')
  return { type: 'codeBlock', attrs: { language: language ?? null }, content: [textNode(text)] }
}

export function imageFrom(image: HtmlElement): RichNode {
  const src = attributeOf(image, 'src')
  const [alt, title] = ['alt', 'title'].map((name) => attributeOf(image, name) ?? null)
  const [width, height] = ['width', 'height'].map((name) => {
    const size = attributeOf(image, name)?.slice(0, 32)
    return wholeNumber(size, 0) ?? size ?? null
  })
  return { type: 'image', attrs: { src: isAllowedSource(src) ? src : null, alt, title, width, height } }
}

/** The mark that an element is, if it is one. */
export function markFrom(element: HtmlElement): RichMark | undefined {
  if (element.tagName !== 'a') {
    const type = Object.hasOwn(MARKS, element.tagName) ? MARKS[element.tagName] : undefined
    return type === undefined ? undefined : { type }
  }
  const href = attributeOf(element, 'href')
  if (!isAllowedHref(href)) return undefined
  const given = ['target', 'rel', 'class', 'title'].flatMap((name) => {
    const value = attributeOf(element, name)
    return value === undefined ? [] : [[name, value] as const]
  })
  return { type: 'link', attrs: linkAttributes(href, Object.fromEntries(given)) }
}

/** Without a target, or a relation, it is the editor's default; an empty one is none. */
function linkAttributes(
  href: string,
  { target, rel, class: names, title }: Readonly<Record<string, string | undefined>>,
): Attributes {
  return {
    href,
    ...(target !== undefined && { target: target === '' ? null : target }),
    ...(rel !== undefined && { rel: rel === '' ? null : rel }),
    class: names ?? null,
    title: title ?? null,
  }
}

/** In code there is nothing but code. */
export function withMark(marks: readonly RichMark[], mark: RichMark | undefined): readonly RichMark[] {
  if (mark === undefined || marks.some(({ type }) => type === 'code')) return marks
  return mark.type === 'code' ? [mark] : [...marks.filter(({ type }) => type !== mark.type), mark]
}

function isPreformatted(element: HtmlElement): boolean {
  return /white-space:\s*(pre|break-spaces)/i.test(attributeOf(element, 'style') ?? '')
}

function orEmpty(blocks: readonly RichNode[]): readonly RichNode[] {
  return blocks.length > 0 ? blocks : [{ type: 'paragraph' }]
}

function wholeNumber(text: string | undefined, minimum: number, maximum = 999_999_999): number | undefined {
  if (text === undefined || !/^\d{1,9}$/.test(text.trim())) return undefined
  return Math.min(Math.max(Number(text), minimum), maximum)
}
