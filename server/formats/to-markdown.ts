import { FormatError } from './format-error.ts'
import { EMPTY, fromMarkdown } from './from-markdown.ts'
import { destination, escapeInside, inlineMarkdown, longestRun, markStyles } from './inline-markdown.ts'
import { keyOf, normalize } from './normalize.ts'
import { type Attributes, childrenOf, type RichMark, type RichNode, textIn } from './rich-node.ts'
import { isKnownAttribute } from './schema.ts'
import { shown } from './shown.ts'
import { htmlOf, levelOf } from './to-html.ts'

/** What Markdown doesn't say, for it would have to be HTML then: whoever writes Markdown leaves it as it is. */
const UNSAID: Readonly<Record<string, readonly string[]>> = {
  link: ['target', 'rel', 'class'],
  orderedList: ['type'],
  tableHeader: ['colwidth'],
  tableCell: ['colwidth'],
}

export function markdownSays(type: string, attribute: string): boolean {
  return isKnownAttribute(type, attribute) && !UNSAID[type]?.includes(attribute)
}

/**
 * A document as Markdown that fromMarkdown() reads as the same document. What Markdown has no word for stands in it as
 * HTML: each text and each block is read again, and written as HTML where it isn't what it was.
 * @throws {FormatError} `format/unknown-node`, `format/unknown-mark`
 */
export function toMarkdown(doc: RichNode): string {
  const blocks = blocksMarkdown(childrenOf(normalize(said(shown(doc)))), safeBlock)
  return blocks === '' ? '' : `${blocks}\n`
}

function said(node: RichNode): RichNode {
  const { content, marks } = node
  return {
    ...node,
    ...(node.attrs && { attrs: saidOf(node) }),
    ...(marks && { marks: marks.map((mark) => ({ type: mark.type, attrs: saidOf(mark) })) }),
    ...(content && { content: content.map(said) }),
  }
}

function saidOf({ type, attrs = {} }: RichMark): Attributes {
  return Object.fromEntries(Object.entries(attrs).filter(([name]) => markdownSays(type, name)))
}

/** Lists that stand behind each other would be one, if they had the same marker. */
type Markers = 0 | 1
type IsTight = (before: RichNode, block: RichNode) => boolean
type Write = (block: RichNode, markers: Markers) => string

function blocksMarkdown(blocks: readonly RichNode[], write: Write, isTight: IsTight = () => false): string {
  let written = ''
  let markers: Markers = 0
  for (const [index, block] of blocks.entries()) {
    const before = blocks[index - 1]
    markers = before !== undefined && areAlike(before, block) ? (markers === 0 ? 1 : 0) : 0
    const separator = before === undefined ? '' : isTight(before, block) ? '\n' : '\n\n'
    written += separator + write(block, markers)
  }
  return written
}

function safeBlock(block: RichNode, markers: Markers): string {
  const key = keyOf([block])
  const markdown = blockMarkdown(block, markers)
  return keyOf(blocksIn(markdown)) === key ? markdown : htmlOf(block).replaceAll('\n', '&#10;')
}

/** Undefined for what can't be read: a paragraph that is too long, or what no editor should have made. */
function blocksIn(markdown: string): readonly RichNode[] | undefined {
  try {
    return fromMarkdown(markdown).content ?? []
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

function blockMarkdown(block: RichNode, markers: Markers): string {
  const { type, attrs = {} } = block
  const content = childrenOf(block)
  switch (type) {
    case 'paragraph':
      return textMarkdown(block, false) || EMPTY
    case 'heading':
      return `${'#'.repeat(levelOf(attrs))} ${textMarkdown(block, true)}`.trimEnd()
    case 'blockquote':
      return indent(blocksMarkdown(content, blockMarkdown), '> ', '> ')
    case 'bulletList':
    case 'taskList':
    case 'orderedList':
      return listMarkdown(block, markers)
    case 'codeBlock':
      return codeMarkdown(block)
    case 'horizontalRule':
      return '---'
    case 'image':
      return `![${escapeInside(String(attrs.alt ?? '')).replace(/[[\]<]/g, '\\$&')}](${destination(attrs.src, attrs.title)})`
    case 'table':
      return tableMarkdown(block) ?? htmlOf(block).replaceAll('\n', '&#10;')
    default:
      return htmlOf(block)
  }
}

/** A text block, with as much HTML as it takes to be read as it is. */
function textMarkdown(block: RichNode, isOneLine: boolean): string {
  const content = childrenOf(block)
  const candidates = markStyles.map((style) => inlineMarkdown(content, { style, isOneLine }))
  const key = keyOf(content)
  const isSame = (markdown: string) => {
    const read = blocksIn(isOneLine ? `# ${markdown}` : markdown)
    return read !== undefined && read.length <= 1 && keyOf(read[0]?.content ?? []) === key
  }
  return candidates.find(isSame) ?? candidates.at(-1) ?? ''
}

function listMarkdown(list: RichNode, markers: Markers): string {
  const items = childrenOf(list).map((item, index) => {
    const number = Number(list.attrs?.start ?? 1) + index
    const marker = list.type === 'orderedList' ? `${number}${markers === 0 ? '.' : ')'}` : markers === 0 ? '-' : '*'
    const text = itemMarkdown(item)
    return text === '' ? marker : indent(text, `${marker} `, ' '.repeat(marker.length + 1))
  })
  return items.join(items.some((item) => item.includes('\n\n')) ? '\n\n' : '\n')
}

function itemMarkdown(item: RichNode): string {
  const content = childrenOf(item)
  const isEmpty = content.length === 1 && content[0]?.type === 'paragraph' && childrenOf(content[0]).length === 0
  const text = isEmpty ? '' : blocksMarkdown(content, blockMarkdown, isTightList)
  if (item.type !== 'taskItem') return text
  return `[${item.attrs?.checked === true ? 'x' : ' '}] ${text}`.trimEnd()
}

function codeMarkdown(block: RichNode): string {
  const code = textIn(block)
  const language = escapeInside(typeof block.attrs?.language === 'string' ? block.attrs.language : '')
  const sign = language.includes('`') ? '~' : '`'
  const longest = Math.max(2, longestRun(code, sign === '`' ? /`+/g : /~+/g))
  const fence = sign.repeat(longest + 1)
  return `${fence}${language}\n${code === '' ? '' : `${code}\n`}${fence}`
}

/** Undefined for a table that isn't only one line of text a cell under a row of headers. */
function tableMarkdown(table: RichNode): string | undefined {
  const rows = childrenOf(table).map(childrenOf)
  const [header = []] = rows
  const isPlain = (cell: RichNode, row: number, column: number) => {
    const [first, ...others] = childrenOf(cell)
    const { align, colspan, rowspan, colwidth } = cell.attrs ?? {}
    return (
      cell.type === (row === 0 ? 'tableHeader' : 'tableCell') &&
      first?.type === 'paragraph' &&
      others.length === 0 &&
      [colspan, rowspan].every((span) => span === 1) &&
      colwidth === null &&
      align === header[column]?.attrs?.align
    )
  }
  const isTable = rows.every((cells, row) => {
    return cells.length === header.length && cells.every((cell, column) => isPlain(cell, row, column))
  })
  if (!isTable || header.length === 0) return undefined
  const lines = rows.map((cells) => {
    const texts = cells.map((cell) => childrenOf(cell).map((paragraph) => textMarkdown(paragraph, true)))
    return `| ${texts.flat().join(' | ')} |`
  })
  const rule = header.map(({ attrs }) => RULES[String(attrs?.align ?? '')] ?? '?')
  return [lines[0], `| ${rule.join(' | ')} |`, ...lines.slice(1)].join('\n')
}

const RULES: Readonly<Record<string, string>> = { '': '---', left: ':--', center: ':-:', right: '--:' }

function areAlike(one: RichNode, other: RichNode): boolean {
  const kind = ({ type }: RichNode) => (type === 'taskList' ? 'bulletList' : type)
  return kind(one) === kind(other)
}

/** Whether a list may stand right under the text before it, and still be a list. */
function isTightList(before: RichNode, block: RichNode): boolean {
  if (before.type !== 'paragraph' || childrenOf(before).length === 0) return false
  if (block.type === 'orderedList' ? block.attrs?.start !== 1 : !block.type.endsWith('List')) return false
  return textIn(childrenOf(block)[0] ?? block) !== ''
}

function indent(text: string, first: string, others: string): string {
  return text
    .split('\n')
    .map((line, index) => (index === 0 ? first + line : line === '' ? others.trimEnd() : others + line))
    .join('\n')
}
