import fc from 'fast-check'
import { normalize } from '../../server/formats/normalize.ts'
import { type RichMark, type RichNode, textNode } from '../../server/formats/rich-node.ts'
import { richSchema } from '../../server/formats/schema.ts'
import { link } from './sample.ts'

/** What means something to Markdown or HTML, beside what doesn't. */
const words = fc.constantFrom(
  ...[
    'word',
    'Straße',
    '文字',
    '👩‍🚀',
    'snake_case',
    '*',
    '**',
    '_',
    '`',
    '``',
    '~~',
    '[',
    ']',
    '](',
    '![',
    '<b>',
    '</p>',
    '<',
  ],
  ...[
    '&amp;',
    '&',
    '&#32;',
    '\\',
    '#',
    '>',
    '-',
    '+',
    '1.',
    '2)',
    '|',
    '---',
    '===',
    ':',
    '<!--',
    '```',
    '[x]',
    '[ ]',
    '\u00a0',
  ],
  ...['https://example.org', '!', '"', "'", '(', ')', '  ', ' ', '\t', '\u200b'],
)
const text = fc
  .array(fc.tuple(words, fc.constantFrom('', ' ')), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.flat().join(''))

const addresses = fc.constantFrom(
  'https://example.org',
  'https://example.org/a b?c=d&e#(f',
  'http://ä.example/<x>\\',
  'mailto:a@b.c',
)
const title = fc.option(fc.constantFrom('a title', '"quoted" & \\', ''))
const mark: fc.Arbitrary<RichMark> = fc.oneof(
  fc.constantFrom('bold', 'italic', 'strike', 'underline', 'highlight').map((type) => ({ type })),
  fc.tuple(addresses, title).map(([href, name]) => link(href, name)),
)
const marks = fc.oneof(
  fc.uniqueArray(mark, { maxLength: 3, selector: ({ type }) => type }),
  fc.constant([{ type: 'code' }]),
)
const inline: fc.Arbitrary<RichNode> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(text, marks).map(([letters, list]) => textNode(letters, list)) },
  { weight: 1, arbitrary: fc.constant<RichNode>({ type: 'hardBreak' }) },
)
const inlines = fc.array(inline, { maxLength: 5 })
const code = fc
  .array(fc.oneof(text, fc.constant('\n'), fc.constant('    x')), { maxLength: 5 })
  .map((parts) => parts.join(''))

const paragraph = inlines.map((content): RichNode => ({ type: 'paragraph', content }))
const list = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { minLength: 1, maxLength: 3 })

const { block } = fc.letrec<{ block: RichNode; item: readonly RichNode[]; cells: RichNode }>((tie) => ({
  item: fc.tuple(paragraph, fc.array(tie('block'), { maxLength: 2 })).map(([first, others]) => [first, ...others]),
  cells: fc
    .tuple(
      fc.constantFrom('tableCell', 'tableHeader'),
      fc.constantFrom(1, 2),
      fc.oneof(list(paragraph), list(tie('block'))),
    )
    .map(([type, colspan, content]) => ({ type, attrs: { colspan }, content })),
  block: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    paragraph,
    fc
      .tuple(fc.integer({ min: 1, max: 6 }), inlines)
      .map(([level, content]) => ({ type: 'heading', attrs: { level }, content })),
    fc
      .tuple(fc.option(fc.constantFrom('ts', 'c++', 'a`b', 'x y', '&lt;')), code)
      .map(([language, letters]) => ({ type: 'codeBlock', attrs: { language }, content: [textNode(letters)] })),
    fc.constant({ type: 'horizontalRule' }),
    fc
      .tuple(fc.constantFrom('https://example.org/x.png', '/y(1).png'), fc.option(text), title)
      .map(([src, alt, name]) => ({ type: 'image', attrs: { src, alt, title: name } })),
    list(tie('block')).map((content) => ({ type: 'blockquote', content })),
    list(tie('item')).map((items) => ({
      type: 'bulletList',
      content: items.map((content) => ({ type: 'listItem', content })),
    })),
    fc.tuple(fc.constantFrom(0, 1, 9), list(tie('item'))).map(([start, items]) => ({
      type: 'orderedList',
      attrs: { start },
      content: items.map((content) => ({ type: 'listItem', content })),
    })),
    list(fc.tuple(fc.boolean(), tie('item'))).map((items) => ({
      type: 'taskList',
      content: items.map(([checked, content]) => ({ type: 'taskItem', attrs: { checked }, content })),
    })),
    list(list(tie('cells'))).map((rows) => ({
      type: 'table',
      content: rows.map((content) => ({ type: 'tableRow', content })),
    })),
    fc
      .tuple(fc.constantFrom(null, 'left', 'center', 'right'), list(list(paragraph)))
      .map(([align, rows]) => simpleTable(align, rows)),
  ),
}))

/** Documents that an editor would take. */
export const randomDoc: fc.Arbitrary<RichNode> = fc.array(block, { maxLength: 6 }).map((content) => {
  const doc = normalize({ type: 'doc', content })
  if (content.length > 0) richSchema.nodeFromJSON(doc).check()
  return doc
})

/** One that Markdown has a table for. */
function simpleTable(align: string | null, rows: readonly (readonly RichNode[])[]): RichNode {
  const width = rows[0]?.length ?? 0
  const row = (paragraphs: readonly RichNode[], type: string): RichNode => ({
    type: 'tableRow',
    content: Array.from({ length: width }, (_, column) => ({
      type,
      attrs: { align },
      content: [paragraphs[column] ?? { type: 'paragraph' }],
    })),
  })
  return { type: 'table', content: rows.map((cells, index) => row(cells, index === 0 ? 'tableHeader' : 'tableCell')) }
}
