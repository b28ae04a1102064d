import { normalize } from '../../server/formats/normalize.ts'
import { type RichMark, type RichNode, textNode } from '../../server/formats/rich-node.ts'

export const paragraph = (...content: (string | RichNode)[]): RichNode => ({
  type: 'paragraph',
  content: content.map(asNode),
})
export const asNode = (node: string | RichNode) => (typeof node === 'string' ? textNode(node) : node)
export const marked = (text: string, ...types: (string | RichMark)[]): RichNode =>
  textNode(
    text,
    types.map((type) => (typeof type === 'string' ? { type } : type)),
  )
export const link = (href: string, title: string | null = null): RichMark => ({ type: 'link', attrs: { href, title } })
export const doc = (...content: RichNode[]): RichNode => normalize({ type: 'doc', content })

const lineBreak = { type: 'hardBreak' }
const item = (...content: RichNode[]): RichNode => ({ type: 'listItem', content })
const task = (checked: boolean, ...content: RichNode[]): RichNode => ({ type: 'taskItem', attrs: { checked }, content })
const cell = (type: string, attrs: object, ...content: RichNode[]): RichNode => ({ type, attrs: { ...attrs }, content })
const header = (text: string, attrs = {}) => cell('tableHeader', attrs, paragraph(text))
const data = (text: string, attrs = {}) => cell('tableCell', attrs, paragraph(text))
const row = (...content: RichNode[]): RichNode => ({ type: 'tableRow', content })

/** Every node and mark of the schema, and every attribute that Markdown says. */
export const everything = doc(
  { type: 'heading', attrs: { level: 1 }, content: [textNode('The launch plan #1')] },
  paragraph(
    'Plain, ',
    marked('bold', 'bold'),
    ', ',
    marked('italic', 'italic'),
    ', ',
    marked('struck', 'strike'),
    ', ',
    marked('underlined', 'underline'),
    ', ',
    marked('bright', 'highlight'),
    ', ',
    marked('code `x`', 'code'),
    ' and ',
    marked('a link', link('https://example.org/a_(b)?c=d&e', 'its "title"')),
    marked(' bold and linked ', 'bold', link('mailto:ann@example.org')),
    marked('all', 'bold', 'italic', 'strike', 'underline', 'highlight', link('https://example.org')),
    lineBreak,
    'after a break',
  ),
  paragraph(),
  ...[2, 3, 4, 5, 6].map((level) => ({ type: 'heading', attrs: { level }, content: [textNode(`Level ${level}`)] })),
  { type: 'blockquote', content: [paragraph('A quote'), paragraph('of two')] },
  {
    type: 'bulletList',
    content: [
      item(paragraph('one')),
      item(paragraph('two'), { type: 'orderedList', content: [item(paragraph('inner')), item(paragraph())] }),
      item(paragraph('three'), paragraph('and more'), { type: 'codeBlock', content: [textNode('in a list\n\n  x')] }),
    ],
  },
  { type: 'bulletList', content: [item(paragraph('another list'))] },
  { type: 'orderedList', attrs: { start: 7 }, content: [item(paragraph('seven')), item(paragraph('eight'))] },
  {
    type: 'taskList',
    content: [
      task(true, paragraph('done')),
      task(false, paragraph('to do'), paragraph('more')),
      task(false, paragraph()),
    ],
  },
  { type: 'codeBlock', attrs: { language: 'ts' }, content: [textNode('const a = `1 < 2`\n```\n\n\tend\n')] },
  { type: 'codeBlock' },
  { type: 'horizontalRule' },
  { type: 'image', attrs: { src: 'https://example.org/x.png', alt: 'an [x]', title: 'a title' } },
  { type: 'image', attrs: { src: '/files/y.png', width: 320, height: 200 } },
  {
    type: 'table',
    content: [
      row(header('Name'), header('Count', { align: 'right' })),
      row(data('a | b'), data('1', { align: 'right' })),
      row(cell('tableCell', {}, paragraph('x', lineBreak, marked('y', 'bold'))), data('2', { align: 'right' })),
    ],
  },
  {
    type: 'table',
    content: [
      row(data('wide', { colspan: 2 })),
      row(
        cell('tableCell', {}, paragraph('list:'), { type: 'bulletList', content: [item(paragraph('in a cell'))] }),
        data(''),
      ),
    ],
  },
  paragraph('1. no list, * no emphasis *, <b>no html</b> & no &amp; entity, snake_case_name, [no](link), ~~no~~ `no`'),
  paragraph(' spaces  everywhere '),
  paragraph('# no heading', lineBreak, '- no item', lineBreak, '==='),
)
