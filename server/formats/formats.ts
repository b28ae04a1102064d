import type * as Y from 'yjs'
import type { ContentFormat } from './content-formats.ts'
import { applyBlockEdits, applyEdits, type Edit } from './edits.ts'
import { FormatError } from './format-error.ts'
import { fromHtml } from './from-html.ts'
import { fromMarkdown } from './from-markdown.ts'
import { keyOf } from './normalize.ts'
import { fromText, toText } from './plain-text.ts'
import { parseRich } from './rich-json.ts'
import { childrenOf, type RichNode } from './rich-node.ts'
import { isKnownAttribute } from './schema.ts'
import { textDiff } from './text-diff.ts'
import { toHtml } from './to-html.ts'
import { markdownSays, toMarkdown } from './to-markdown.ts'
import { updateFragment } from './update-fragment.ts'
import { readFragment } from './xml-fragment.ts'
import { kindOfRoot, rootsOf } from './yjs-json.ts'

/** What is to be changed: all of the content, places in its text, or whole blocks of it. */
export type Change =
  | { readonly content: unknown }
  | { readonly edits: readonly Edit[] }
  | { readonly blocks: readonly { readonly at: number; readonly remove: number; readonly insert: unknown }[] }

/**
 * What the root type `field` of a document holds: a rich-text fragment, or for the format `text` also a Yjs text. JSON is
 * Tiptap's; the other formats are strings.
 * @throws {FormatError} `format/no-such-field`, `format/unknown-node`, `format/unknown-mark`, `format/too-deep`
 */
export function readContent(ydoc: Y.Doc, field: string, format: ContentFormat): RichNode | string {
  const root = ydoc.share.get(field)
  if (root === undefined && ydoc.share.size > 0) throw noSuchField(ydoc, field, 'nothing')
  const kind = root && kindOfRoot(root)
  if (kind === 'text' && format === 'text') return ydoc.getText(field).toString()
  return write(richIn(ydoc, field), format)
}

/**
 * Changes what `field` holds in as few places as can be found, in one transaction. A document that doesn't have the field
 * gets it, as rich text.
 * @throws {FormatError} as readContent(), for a change that is no document, and `format/lossy` for plain text where there
 * is more
 * @throws {EditError}
 */
export function changeContent(ydoc: Y.Doc, field: string, format: ContentFormat, change: Change): void {
  const root = ydoc.share.get(field)
  if (root !== undefined && kindOfRoot(root) === 'text' && format === 'text') changeText(ydoc.getText(field), change)
  else changeRich(ydoc.getXmlFragment(field), richIn(ydoc, field), format, change)
}

function changeText(text: Y.Text, change: Change): void {
  const before = text.toString()
  const after = 'edits' in change ? applyEdits(before, change.edits) : stringIn(change)
  if (before.length !== text.length) throw new FormatError('format/lossy', 'the text holds more than letters')
  text.doc?.transact(() => {
    for (const { at, remove, insert } of textDiff(before, after.toWellFormed()).reverse()) {
      text.delete(at, remove)
      text.insert(at, insert)
    }
  })
}

function changeRich(fragment: Y.XmlFragment, before: RichNode, format: ContentFormat, change: Change): void {
  const seen = seenAs(before, format)
  const target = targetOf(seen, format, change)
  updateFragment(fragment, target, { carries: carriers[format], seen })
}

function targetOf(seen: RichNode, format: ContentFormat, change: Change): RichNode {
  if ('content' in change) return parse(change.content, format)
  if ('edits' in change) {
    const text = write(seen, format)
    if (typeof text !== 'string') throw new FormatError('format/malformed', 'edits find text: JSON has none')
    return parse(applyEdits(text, change.edits), format)
  }
  const edits = change.blocks.map(({ at, remove, insert }) => ({
    at,
    remove,
    insert: insert === undefined ? [] : childrenOf(parse(asDocument(insert), format)),
  }))
  return { type: 'doc', content: applyBlockEdits(childrenOf(seen), edits) }
}

/** Blocks in JSON need no document around them. */
function asDocument(blocks: unknown): unknown {
  return Array.isArray(blocks) ? { type: 'doc', content: blocks } : blocks
}

/** A document as who reads it in a format gets it: what is changed is changed in this. */
function seenAs(doc: RichNode, format: ContentFormat): RichNode {
  if (format === 'json') return doc
  const seen = parse(write(doc, format), format)
  if (format !== 'text') return seen
  if (keyOf(seen.content ?? []) === keyOf(doc.content ?? [])) return seen
  throw new FormatError('format/lossy', 'the document holds more than plain text: write it as markdown, html or json')
}

const carriers: Readonly<Record<ContentFormat, (type: string, attribute: string) => boolean>> = {
  json: () => true,
  html: isKnownAttribute,
  markdown: markdownSays,
  text: () => false,
}

function write(doc: RichNode, format: ContentFormat): RichNode | string {
  if (format === 'json') return doc
  if (format === 'text') return toText(doc)
  return format === 'html' ? toHtml(doc) : toMarkdown(doc)
}

function parse(content: unknown, format: ContentFormat): RichNode {
  if (format === 'json') return parseRich(content)
  const text = stringIn({ content })
  if (format === 'text') return fromText(text)
  return format === 'html' ? fromHtml(text) : fromMarkdown(text)
}

function stringIn(change: Change): string {
  if ('content' in change && typeof change.content === 'string') return change.content
  throw new FormatError('format/malformed', 'in this format, content is a string')
}

function richIn(ydoc: Y.Doc, field: string): RichNode {
  const root = ydoc.share.get(field)
  const kind = root && kindOfRoot(root)
  if (kind !== undefined && kind !== 'xmlFragment') throw noSuchField(ydoc, field, `a ${kind}`)
  return readFragment(ydoc.getXmlFragment(field))
}

function noSuchField(ydoc: Y.Doc, field: string, found: string): FormatError {
  const roots = [...rootsOf(ydoc)].map(([name, kind]) => `"${name}" (${kind})`).join(', ')
  const problem = `"${field}" is ${found} and no rich text; the document has ${roots || 'nothing'}: name one as field`
  return new FormatError('format/no-such-field', problem)
}
