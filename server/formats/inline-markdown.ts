import { isText, type RichMark, type RichNode } from './rich-node.ts'
import { markTag, open as openTag } from './to-html.ts'

/**
 * How a text is written: as Markdown; with tags instead of delimiters, for what begins or ends in a space or inside a word;
 * or so that nothing in it means anything to Markdown. The first is the easiest to read, and the last always right.
 */
export const markStyles = ['markdown', 'tags', 'html'] as const
export type MarkStyle = (typeof markStyles)[number]

export interface InlineOptions {
  readonly style: MarkStyle
  /** Whether all of it must stand on one line, as in headings and tables. */
  readonly isOneLine: boolean
}

const DELIMITERS: Readonly<Record<string, string>> = { bold: '**', italic: '*', strike: '~~' }
const PUNCTUATION = /[!-/:-@[-`{-~]/g

/** The content of a text block. */
export function inlineMarkdown(nodes: readonly RichNode[], options: InlineOptions): string {
  let written = ''
  let open: readonly RichMark[] = []
  const change = (marks: readonly RichMark[]) => {
    const kept = open.findIndex((mark, index) => JSON.stringify(mark) !== JSON.stringify(marks[index]))
    const from = kept === -1 ? open.length : kept
    for (const mark of open.slice(from).reverse()) written += closeMark(mark, options)
    for (const mark of marks.slice(from)) written += openMark(mark, options)
    open = marks
  }
  for (const [index, node] of nodes.entries()) {
    const marks = node.marks ?? []
    const isSpan = options.style !== 'html' && marks.some(({ type }) => type === 'code')
    change(isSpan ? marks.filter(({ type }) => type !== 'code') : marks)
    if (isText(node)) written += isSpan ? codeSpan(node.text) : textMarkdown(node.text, written, options)
    else written += options.isOneLine || index === nodes.length - 1 || options.style === 'html' ? '<br>' : '\\\n'
  }
  change([])
  return options.style === 'html' ? written : written.replace(/^[\s]|[\s]$/g, reference)
}

function textMarkdown(text: string, before: string, { style, isOneLine }: InlineOptions): string {
  if (style === 'html') return text.replace(PUNCTUATION, '\\$&').replace(/^ | $| (?= )|[^\S ]/g, reference)
  const escaped = text
    .replace(/[\\`*[\]<]|&(?=#|\w)|~(?=~)|(?<=~)~/g, '\\$&')
    .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_')
    .replace(/[\t\n\r\f]/g, reference)
  if (isOneLine) return escaped.replace(/[#|]/g, '\\$&')
  if (before !== '' && !before.endsWith('\n')) return escaped
  // Where a line begins, these would begin a block.
  return escaped
    .replace(/^(?:[#>=+|:-]|~(?=~))/, '\\$&')
    .replace(/^(\d{1,9})([.)])/, '$1\\$2')
    .replace(/^ /, reference)
}

function openMark(mark: RichMark, { style }: InlineOptions): string {
  if (style === 'html') return openTag(markTag(mark)).replaceAll('\n', '&#10;')
  return mark.type === 'link' ? '[' : (delimiter(mark, style) ?? openTag(markTag(mark)))
}

function closeMark(mark: RichMark, { style }: InlineOptions): string {
  const html = `</${markTag(mark).name}>`
  if (style === 'html') return html
  return mark.type === 'link'
    ? `](${destination(mark.attrs?.href, mark.attrs?.title)})`
    : (DELIMITERS[mark.type] ?? html)
}

function delimiter({ type }: RichMark, style: MarkStyle): string | undefined {
  return style === 'markdown' ? DELIMITERS[type] : undefined
}

/** Where a link or an image leads, and its title. */
export function destination(href: unknown, title: unknown): string {
  const address = escapeInside(typeof href === 'string' ? href : '')
  const shown = /^[^\s()<>\\]+$/.test(address) ? address : `<${address.replace(/[<>]/g, '\\$&')}>`
  const link = address === '' ? '' : shown
  return typeof title === 'string' ? `${link} "${escapeInside(title).replaceAll('"', '\\"')}"` : link
}

export function escapeInside(text: string): string {
  return text.replace(/\\|&(?=#|\w)/g, '\\$&').replace(/[\t\n\r\f]/g, reference)
}

function codeSpan(text: string): string {
  const longest = longestRun(text, /`+/g)
  const fence = '`'.repeat(longest + 1)
  const isPadded = /^`|`$|^ .* $/.test(text) && text.trim() !== ''
  return isPadded ? `${fence} ${text} ${fence}` : fence + text + fence
}

/** How long the longest match is. */
export function longestRun(text: string, sign: RegExp): number {
  return text.match(sign)?.reduce((longest, run) => Math.max(longest, run.length), 0) ?? 0
}

function reference(character: string): string {
  return `&#${character.charCodeAt(0)};`
}
