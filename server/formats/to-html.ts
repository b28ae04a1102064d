import { type Attributes, childrenOf, isText, type RichMark, type RichNode } from './rich-node.ts'
import type { MarkName, NodeName } from './schema.ts'
import { shown } from './shown.ts'

export interface Tag {
  readonly name: string
  readonly attributes?: Attributes
}

/**
 * A document as HTML, as Tiptap writes it. It is safe to show: it holds no element but those of the schema, and links
 * and images that lead elsewhere than the web or e-mail are left out, their text stays.
 * @throws {FormatError} `format/unknown-node`, `format/unknown-mark`
 */
export function toHtml(doc: RichNode): string {
  return childrenOf(shown(doc)).map(htmlOf).join('')
}

/** One node as HTML, of a document that `shown` returned. */
export function htmlOf(node: RichNode, index = 0, siblings: readonly RichNode[] = []): string {
  const html = isText(node) ? textHtml(node.text, siblings[index - 1], siblings[index + 1]) : elementHtml(node)
  return wrap((node.marks ?? []).map(markTag), html)
}

export function escapeHtml(text: string): string {
  // A zero byte can't be written in HTML, not even as a reference.
  return text.replace(/[&<>"\r]/g, (character) => REFERENCES[character] ?? '').replaceAll('\0', '\ufffd')
}

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
}

/** White space that a reader of HTML would take for one space, or for none, is written so that it stays. */
function textHtml(text: string, before: RichNode | undefined, after: RichNode | undefined): string {
  const endsOpen = (node: RichNode | undefined) => node !== undefined && isText(node) && !node.text.endsWith(' ')
  const isKept =
    !/ {2}|[\t\n\r\f]/.test(text) &&
    (!text.startsWith(' ') || endsOpen(before)) &&
    (!text.endsWith(' ') || (after !== undefined && isText(after)))
  const html = escapeHtml(text)
  return isKept ? html : `<span style="white-space: pre-wrap">${html.replaceAll('\n', '&#10;')}</span>`
}

function elementHtml(node: RichNode): string {
  const { type, attrs = {} } = node
  const inner = childrenOf(node).map(htmlOf).join('')
  switch (type as NodeName) {
    case 'doc':
    case 'text':
      return inner
    case 'paragraph':
      return wrap([{ name: 'p' }], inner)
    case 'heading':
      return wrap([{ name: `h${levelOf(attrs)}` }], inner)
    case 'blockquote':
      return wrap([{ name: 'blockquote' }], inner)
    case 'bulletList':
      return wrap([{ name: 'ul' }], inner)
    case 'orderedList': {
      const start = attrs.start === 1 ? null : attrs.start
      return wrap([{ name: 'ol', attributes: { start, type: attrs.type } }], inner)
    }
    case 'listItem':
      return wrap([{ name: 'li' }], inner)
    case 'taskList':
      return wrap([{ name: 'ul', attributes: { 'data-type': 'taskList' } }], inner)
    case 'taskItem':
      return wrap(
        [{ name: 'li', attributes: { 'data-checked': attrs.checked === true, 'data-type': 'taskItem' } }],
        inner,
      )
    case 'codeBlock': {
      const language = typeof attrs.language === 'string' ? `language-${attrs.language}` : null
      const code = childrenOf(node)
        .map((child) => escapeHtml(child.text ?? ''))
        .join('')
      // Its last newline is not part of it, as others write it.
      const end = code.endsWith('\n') ? '\n' : ''
      return wrap([{ name: 'pre' }, { name: 'code', attributes: { class: language } }], code + end)
    }
    case 'horizontalRule':
      return '<hr>'
    case 'hardBreak':
      return '<br>'
    case 'image':
      return open({ name: 'img', attributes: imageAttributes(attrs) })
    case 'table':
      return wrap([{ name: 'table' }, { name: 'tbody' }], inner)
    case 'tableRow':
      return wrap([{ name: 'tr' }], inner)
    case 'tableHeader':
    case 'tableCell':
      return wrap([{ name: type === 'tableCell' ? 'td' : 'th', attributes: cellAttributes(attrs) }], inner)
  }
}

export function markTag({ type, attrs = {} }: RichMark): Tag {
  switch (type as MarkName) {
    case 'link':
      return { name: 'a', attributes: linkAttributes(attrs) }
    case 'bold':
      return { name: 'strong' }
    case 'italic':
      return { name: 'em' }
    case 'strike':
      return { name: 's' }
    case 'underline':
      return { name: 'u' }
    case 'highlight':
      return { name: 'mark' }
    case 'code':
      return { name: 'code' }
  }
}

export function levelOf({ level }: Attributes): number {
  return typeof level === 'number' && level >= 1 && level <= 6 ? Math.floor(level) : 1
}

function imageAttributes({ src, alt, title, width, height }: Attributes): Attributes {
  return { src, alt, title, width, height }
}

/** Without them, a link gets the editor's default. */
function linkAttributes({ href, target, rel, class: names, title }: Attributes): Attributes {
  return { href, target: target ?? '', rel: rel ?? '', class: names, title }
}

function cellAttributes({ colspan, rowspan, colwidth, align }: Attributes): Attributes {
  return {
    colspan: colspan === 1 ? null : colspan,
    rowspan: rowspan === 1 ? null : rowspan,
    colwidth: Array.isArray(colwidth) ? colwidth.join(',') : null,
    style: typeof align === 'string' ? `text-align: ${align.replace(/[^\w-]/g, '')}` : null,
  }
}

function wrap(tags: readonly Tag[], inner: string): string {
  return tags.reduceRight((html, tag) => `${open(tag)}${html}</${tag.name}>`, inner)
}

export function open({ name, attributes = {} }: Tag): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([attribute, value]) => ` ${attribute}="${escapeHtml(String(value)).replaceAll('\n', '&#10;')}"`)
  return `<${name}${written.join('')}>`
}
