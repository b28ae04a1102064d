import { type AttributeSpec, type MarkSpec, type NodeSpec, Schema } from 'prosemirror-model'

const defaults = (values: Readonly<Record<string, unknown>>): Record<string, AttributeSpec> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { default: value }]))

const cell: NodeSpec = {
  content: 'block+',
  isolating: true,
  attrs: defaults({ colspan: 1, rowspan: 1, colwidth: null, align: null }),
}

const nodes = {
  doc: { content: 'block+' },
  paragraph: { content: 'inline*', group: 'block' },
  heading: { content: 'inline*', group: 'block', defining: true, attrs: defaults({ level: 1 }) },
  blockquote: { content: 'block+', group: 'block', defining: true },
  bulletList: { content: 'listItem+', group: 'block list' },
  orderedList: { content: 'listItem+', group: 'block list', attrs: defaults({ start: 1, type: null }) },
  listItem: { content: 'paragraph block*', defining: true },
  taskList: { content: 'taskItem+', group: 'block list' },
  taskItem: { content: 'paragraph block*', defining: true, attrs: defaults({ checked: false }) },
  codeBlock: { content: 'text*', marks: '', group: 'block', defining: true, attrs: defaults({ language: null }) },
  horizontalRule: { group: 'block' },
  image: { group: 'block', attrs: defaults({ src: null, alt: null, title: null, width: null, height: null }) },
  table: { content: 'tableRow+', group: 'block', isolating: true },
  tableRow: { content: '(tableCell | tableHeader)*' },
  tableHeader: cell,
  tableCell: cell,
  hardBreak: { inline: true, group: 'inline' },
  text: { group: 'inline' },
} satisfies Record<string, NodeSpec>

/** In the order of their rank, in which a text's marks are listed. */
const marks = {
  link: {
    attrs: defaults({
      href: null,
      target: '_blank',
      rel: 'noopener noreferrer nofollow',
      class: null,
      title: null,
    }),
  },
  bold: {},
  code: { excludes: '_' },
  italic: {},
  strike: {},
  underline: {},
  highlight: {},
} satisfies Record<string, MarkSpec>

export type NodeName = keyof typeof nodes
export type MarkName = keyof typeof marks

/**
 * What the server knows of rich text: the nodes and marks of Tiptap's starter kit, task lists, tables, images and
 * highlights, with their attributes. A test compares it with Tiptap's own and the demo's.
 */
export const richSchema = new Schema({ nodes, marks })

/** Whether a node or mark of that type has such an attribute. */
export function isKnownAttribute(type: string, attribute: string): boolean {
  const attrs = (richSchema.nodes[type] ?? richSchema.marks[type])?.spec.attrs
  return attrs !== undefined && attrs !== null && Object.hasOwn(attrs, attribute)
}
