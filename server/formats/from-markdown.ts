import MarkdownIt, { type Token } from 'markdown-it'
import { BlockBuilder, itemContent } from './block-builder.ts'
import { FormatError } from './format-error.ts'
import { blocksFrom, imageFrom, markFrom, withMark } from './from-html.ts'
import { MAX_DEPTH } from './limits.ts'
import { isAllowedHref, isAllowedSource } from './links.ts'
import { normalize } from './normalize.ts'
import { isElement, parseHtml } from './parse-html.ts'
import { checkContent } from './rich-json.ts'
import { type RichMark, type RichNode, textNode } from './rich-node.ts'

/** Of one paragraph in Markdown: reading some takes the square of it. */
const MAX_TEXT = 32 * 1024
const markdown = new MarkdownIt({ html: true, maxNesting: 4 * MAX_DEPTH })
// It would join what was written as a reference with the text around it.
markdown.disable('text_join')
markdown.core.ruler.before('inline', 'bounded_text', ({ tokens }) => {
  if (tokens.every(({ type, content }) => type !== 'inline' || content.length <= MAX_TEXT)) return
  throw new FormatError('format/too-big', `a paragraph has at most ${MAX_TEXT} characters in Markdown`)
})
markdown.validateLink = (href) => isAllowedHref(href) || isAllowedSource(href) || href === ''
markdown.normalizeLink = (href) => href

/** What an empty paragraph is in Markdown, which has none. A space of that kind is written as a number. */
export const EMPTY = '&nbsp;'
const TASK = /^\[([ xX])\](?:\s+|$)/
const MARKS: Readonly<Record<string, string>> = { strong: 'bold', em: 'italic', s: 'strike' }

/**
 * The document that Markdown says: CommonMark with tables, strikethrough and task lists, and HTML where Markdown has no
 * word for it (`<u>`, `<mark>`, tables of more than text). What HTML may say is as in fromHtml().
 * @throws {FormatError} `format/too-deep`, `format/too-big`
 */
export function fromMarkdown(text: string): RichNode {
  const doc = normalize({ type: 'doc', content: new Reader(markdown.parse(text.toWellFormed(), {})).blocks() })
  checkContent(doc)
  return doc
}

/** Reads the tokens of a document, which open and close blocks, from first to last. */
class Reader {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  /** The blocks up to where the one around them is closed. */
  blocks(): RichNode[] {
    const blocks: RichNode[] = []
    for (;;) {
      const token = this.#tokens[this.#at]
      if (token === undefined || token.nesting === -1) return blocks
      this.#at += 1
      for (const block of this.#block(token)) blocks.push(block)
    }
  }

  #block(token: Token): readonly RichNode[] {
    switch (token.type) {
      case 'inline':
        return textBlocks(token, { type: 'paragraph' })
      case 'paragraph_open':
        return this.#inside(() => this.#text({ type: 'paragraph' }))
      case 'heading_open':
        return this.#inside(() => this.#text({ type: 'heading', attrs: { level: Number(token.tag[1]) } }))
      case 'blockquote_open':
        return [{ type: 'blockquote', content: orEmpty(this.#inside(() => this.blocks())) }]
      case 'bullet_list_open':
        return [bulletList(this.#inside(() => this.#items()))]
      case 'ordered_list_open': {
        const content = this.#inside(() => this.#items()).map(({ blocks }) => listItem(blocks))
        return [{ type: 'orderedList', attrs: { start: Number(token.attrGet('start') ?? 1) }, content }]
      }
      case 'table_open':
        return [{ type: 'table', content: this.#inside(() => this.#rows()) }]
      case 'fence':
      case 'code_block': {
        const language = token.info.trim() === '' ? null : markdown.utils.unescapeAll(token.info.trim())
        return [{ type: 'codeBlock', attrs: { language }, content: [textNode(token.content.replace(/\n$/, ''))] }]
      }
      case 'hr':
        return [{ type: 'horizontalRule' }]
      case 'html_block':
        return blocksFrom(parseHtml(token.content))
      default:
        throw new TypeError(`Markdown has a token ${token.type} that is not read`)
    }
  }

  /** Reads what is inside the block that was opened, and the token that closes it. */
  #inside<T>(read: () => T): T {
    const result = read()
    this.#at += 1
    return result
  }

  #text(block: RichNode): RichNode[] {
    const token = this.#tokens[this.#at]
    if (token?.type !== 'inline') return [block]
    this.#at += 1
    return textBlocks(token, block)
  }

  #items(): Item[] {
    const items: Item[] = []
    while (this.#tokens[this.#at]?.type === 'list_item_open') {
      this.#at += 1
      const checked = this.#takeTask()
      items.push({ checked, blocks: this.#inside(() => this.blocks()) })
    }
    return items
  }

  /** Whether a box stands before the text of an item, and is ticked; undefined where there is none. */
  #takeTask(): boolean | undefined {
    const [paragraph, inline] = [this.#tokens[this.#at], this.#tokens[this.#at + 1]]
    const first = inline?.children?.[0]
    if (paragraph?.type !== 'paragraph_open' || first?.type !== 'text') return undefined
    return TASK.test(first.content) ? !first.content.startsWith('[ ]') : undefined
  }

  #rows(): RichNode[] {
    const rows: RichNode[] = []
    for (;;) {
      const token = this.#tokens[this.#at]
      if (token === undefined || token.type === 'table_close') return rows
      this.#at += 1
      if (token.type === 'tr_open') rows.push({ type: 'tableRow', content: this.#inside(() => this.#cells()) })
    }
  }

  #cells(): RichNode[] {
    const cells: RichNode[] = []
    for (;;) {
      const token = this.#tokens[this.#at]
      if (token === undefined || token.nesting === -1) return cells
      this.#at += 1
      const content = orEmpty(this.#inside(() => this.#text({ type: 'paragraph' })))
      const align = /text-align:(\w+)/.exec(String(token.attrGet('style')))?.[1] ?? null
      cells.push({ type: token.tag === 'th' ? 'tableHeader' : 'tableCell', attrs: { align }, content })
    }
  }
}

interface Item {
  readonly checked: boolean | undefined
  readonly blocks: readonly RichNode[]
}

function bulletList(items: readonly Item[]): RichNode {
  if (items.some(({ checked }) => checked === undefined)) {
    return { type: 'bulletList', content: items.map(({ blocks }) => listItem(blocks)) }
  }
  const content = items.map(({ checked, blocks: [first, ...others] }) => ({
    type: 'taskItem',
    attrs: { checked },
    content: itemContent(first === undefined ? [] : [withoutBox(first), ...others]),
  }))
  return { type: 'taskList', content }
}

function listItem(blocks: readonly RichNode[]): RichNode {
  return { type: 'listItem', content: itemContent(blocks) }
}

function withoutBox(paragraph: RichNode): RichNode {
  const [first, ...others] = paragraph.content ?? []
  const text = first?.text?.replace(TASK, '') ?? ''
  return { ...paragraph, content: text === '' ? others : [{ ...first, type: 'text', text }, ...others] }
}

function textBlocks({ children }: Token, block: RichNode): RichNode[] {
  const tokens = children ?? []
  const [only] = tokens
  if (tokens.length === 1 && only?.type === 'text_special' && only.markup === EMPTY) return [block]
  const builder = new BlockBuilder(block)
  let marks: readonly RichMark[] = []
  /** Marks that are open as HTML. */
  const open: { readonly tag: string; readonly before: readonly RichMark[] }[] = []
  for (const token of tokens) {
    const { type, content } = token
    const mark = markOf(token)
    if (type === 'html_inline') marks = inlineHtml(content, builder, marks, open)
    else if (type === 'hardbreak') builder.addInline({ type: 'hardBreak', marks })
    else if (type === 'image') builder.addBlocks([imageOf(token)])
    else if (type === 'code_inline') builder.addInline(textNode(content, withMark(marks, { type: 'code' })))
    else if (token.nesting === 1) marks = withMark(marks, mark)
    else if (token.nesting === -1) marks = marks.filter((each) => each.type !== mark?.type)
    else builder.addInline(textNode(type === 'softbreak' ? ' ' : content, marks))
  }
  builder.flush()
  return builder.blocks.length > 0 ? builder.blocks : [block]
}

function markOf(token: Token): RichMark | undefined {
  if (token.nesting === 0) return undefined
  if (token.tag !== 'a') return { type: MARKS[token.tag] ?? token.tag }
  if (token.nesting === -1) return { type: 'link' }
  const [href, title] = [token.attrGet('href'), token.attrGet('title')]
  return isAllowedHref(href) ? { type: 'link', attrs: { href, title } } : undefined
}

/** One tag in a text. Returns the marks of what comes behind it. */
function inlineHtml(
  html: string,
  builder: BlockBuilder,
  marks: readonly RichMark[],
  open: { readonly tag: string; readonly before: readonly RichMark[] }[],
): readonly RichMark[] {
  const closed = /^<\/([a-z][a-z0-9-]*)/i.exec(html)?.[1]?.toLowerCase()
  if (closed !== undefined) {
    const index = open.findLastIndex(({ tag }) => tag === closed)
    const before = open[index]?.before
    if (index >= 0) open.splice(index)
    return before ?? marks
  }
  const [element] = parseHtml(html)
  if (element === undefined || !isElement(element)) return marks
  if (element.tagName === 'br') builder.addInline({ type: 'hardBreak', marks })
  else if (element.tagName === 'img') builder.addBlocks([imageFrom(element)])
  const mark = markFrom(element)
  if (mark === undefined) return marks
  open.push({ tag: element.tagName, before: marks })
  return withMark(marks, mark)
}

function imageOf(token: Token): RichNode {
  const src = token.attrGet('src')
  const alt = token.content === '' ? null : markdown.utils.unescapeAll(token.content)
  return { type: 'image', attrs: { src: isAllowedSource(src) ? src : null, alt, title: token.attrGet('title') } }
}

function orEmpty(blocks: readonly RichNode[]): readonly RichNode[] {
  return blocks.length > 0 ? blocks : [{ type: 'paragraph' }]
}
