import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { changeContent, readContent } from '../../server/formats/formats.ts'
import { fromHtml } from '../../server/formats/from-html.ts'
import { fromMarkdown } from '../../server/formats/from-markdown.ts'
import { toHtml } from '../../server/formats/to-html.ts'
import { toMarkdown } from '../../server/formats/to-markdown.ts'
import { doc, link, marked, paragraph } from './sample.ts'

const code = (expected: string) => expect.objectContaining({ code: expected })

function withElement(name: string): Y.Doc {
  const ydoc = new Y.Doc()
  const text = new Y.XmlText('inside')
  const element = new Y.XmlElement(name)
  element.insert(0, [text])
  ydoc.getXmlFragment('default').insert(0, [element])
  return ydoc
}

describe('what the schema does not know', () => {
  test('is read as JSON and text, and is an error in the other formats', () => {
    const ydoc = withElement('mention')
    expect(readContent(ydoc, 'default', 'json')).toEqual({
      type: 'doc',
      content: [{ type: 'mention', content: [{ type: 'text', text: 'inside' }] }],
    })
    expect(readContent(ydoc, 'default', 'text')).toBe('inside')
    for (const format of ['html', 'markdown'] as const) {
      expect(() => readContent(ydoc, 'default', format)).toThrowError(code('format/unknown-node'))
      const before = Y.encodeStateAsUpdate(ydoc)
      expect(() => changeContent(ydoc, 'default', format, { content: 'x' })).toThrowError(code('format/unknown-node'))
      expect(Y.encodeStateAsUpdate(ydoc)).toEqual(before)
    }
  })

  test('is a mark as well', () => {
    const ydoc = new Y.Doc()
    changeContent(ydoc, 'default', 'json', { content: doc(paragraph('x')) })
    const [element] = ydoc.getXmlFragment('default').toArray()
    const text = element instanceof Y.XmlElement ? element.get(0) : undefined
    if (text instanceof Y.XmlText) text.format(0, 1, { comment: { id: 1 } })
    expect(readContent(ydoc, 'default', 'json')).toEqual(
      doc(paragraph(marked('x', { type: 'comment', attrs: { id: 1 } }))),
    )
    expect(() => readContent(ydoc, 'default', 'html')).toThrowError(code('format/unknown-mark'))
  })
})

describe('JSON', () => {
  const refused: readonly [string, unknown][] = [
    ['format/malformed', 'text'],
    ['format/malformed', { type: 'paragraph' }],
    ['format/malformed', { type: 'doc', content: {} }],
    ['format/malformed', { type: 'doc', content: [{ type: 'heading', attrs: { level: '1><script>' } }] }],
    ['format/unknown-node', { type: 'doc', content: [{ type: 'iframe' }] }],
    ['format/unknown-node', { type: 'doc', content: [{ type: '__proto__' }] }],
    ['format/unknown-mark', doc(paragraph(marked('x', 'blink')))],
    ['format/bad-link', doc(paragraph(marked('x', link('javascript:alert(1)'))))],
    ['format/bad-link', doc({ type: 'image', attrs: { src: 'data:text/html,x' } })],
    ['format/invalid-document', { type: 'doc', content: [{ type: 'text', text: 'no paragraph' }] }],
    ['format/invalid-document', { type: 'doc', content: [{ type: 'bulletList' }] }],
    ['format/invalid-document', doc(paragraph(marked('x', 'code', 'bold')))],
    ['format/too-deep', nested(200)],
    ['format/too-deep', nested(20_000)],
  ]
  test.each(refused)('that no editor would take is refused: %s', (expected, content) => {
    expect(() => changeContent(new Y.Doc(), 'default', 'json', { content })).toThrowError(code(expected))
  })

  function nested(depth: number): unknown {
    let node: unknown = { type: 'paragraph' }
    for (let level = 0; level < depth; level += 1) node = { type: 'blockquote', content: [node] }
    return { type: 'doc', content: [node] }
  }
})

describe('HTML', () => {
  test.each([
    ['<script>alert(1)</script><p onclick="x()">text</p>', doc(paragraph('text'))],
    ['<a href="javascript:alert(1)">text</a>', doc(paragraph('text'))],
    ['<a href=" java\nscript:alert(1)">text</a>', doc(paragraph('text'))],
    ['<svg><script>alert(1)</script></svg><style>p{}</style>text', doc(paragraph('text'))],
    ['<iframe src="https://example.org"></iframe><object>text</object>', doc()],
    ['<img src="javascript:alert(1)" onerror="x()" alt="a">', doc({ type: 'image', attrs: { alt: 'a' } })],
    [
      '<div><custom-tag>one</custom-tag> <b>two</b></div>three',
      doc(paragraph('one ', marked('two', 'bold')), paragraph('three')),
    ],
    [
      '<ul><li>one<li><ul><li>two</ul></ul>',
      doc({
        type: 'bulletList',
        content: [
          { type: 'listItem', content: [paragraph('one')] },
          {
            type: 'listItem',
            content: [
              paragraph(),
              { type: 'bulletList', content: [{ type: 'listItem', content: [paragraph('two')] }] },
            ],
          },
        ],
      }),
    ],
    [
      '  \n <h2> a\n  b </h2>\n\n<p>c<br> d</p>',
      doc(
        { type: 'heading', attrs: { level: 2 }, ...paragraphContent('a b') },
        paragraph('c', { type: 'hardBreak' }, 'd'),
      ),
    ],
    [
      '<table><tr><td>x</table>',
      doc({
        type: 'table',
        content: [{ type: 'tableRow', content: [{ type: 'tableCell', content: [paragraph('x')] }] }],
      }),
    ],
    ['', doc()],
  ])('%j is what the schema knows of it', (html, expected) => {
    expect(fromHtml(html)).toEqual(expected)
  })

  function paragraphContent(text: string) {
    return { content: [{ type: 'text', text }] }
  }

  test('is read in bounded time and memory: depth, attributes, formats left open', () => {
    expect(() => fromHtml('<div>'.repeat(100_000))).toThrowError(code('format/too-deep'))
    expect(() => fromHtml('<blockquote>'.repeat(150))).toThrowError(code('format/too-deep'))
    expect(() => fromHtml(`<p${Array.from({ length: 100_000 }, (_, index) => ` a${index}`).join('')}>`)).toThrowError(
      code('format/too-big'),
    )
    expect(() => fromHtml(Array.from({ length: 10_000 }, (_, index) => `<p><b id=${index}>`).join(''))).toThrowError(
      code('format/too-deep'),
    )
  })

  test('out of a document holds no script, whatever a client put there', () => {
    const bad = { type: 'doc', content: [
      { type: 'heading', attrs: { level: '1><script>' }, content: [marked('<script>x</script>', link('javascript:alert(1)'))] },
      { type: 'image', attrs: { src: 'javascript:1', onerror: 'x()', alt: '"><script>' } },
      { type: 'codeBlock', attrs: { language: '"><script>' } },
      { type: 'table', content: [{ type: 'tableRow', content: [{ type: 'tableCell', attrs: { align: 'x;"><script>', colspan: '"><script>' } }] }] },
      { type: 'orderedList', attrs: { start: '"><script>' } },
    ] } // biome-ignore format: a node a line
    const html = toHtml(bad)
    expect(html).not.toMatch(/<script|javascript:|onerror=/)
    expect(html).toContain('&lt;script&gt;x&lt;/script&gt;')
    expect(toMarkdown(bad)).not.toMatch(/javascript:|onerror=/)
  })
})

describe('Markdown', () => {
  test.each([
    ['[x](javascript:alert(1))', doc(paragraph('[x](javascript:alert(1))'))],
    ['<script>alert(1)</script>\n\ntext', doc(paragraph('text'))],
    ['a <img src=x onerror=alert(1)> b', doc(paragraph('a '), { type: 'image' }, paragraph(' b'))],
    ['<a href="javascript:x">y</a>', doc(paragraph('y'))],
    ['* [ ] a\n* [X] b', doc({ type: 'taskList', content: [
      { type: 'taskItem', content: [paragraph('a')] }, { type: 'taskItem', attrs: { checked: true }, content: [paragraph('b')] },
    ] })], // biome-ignore format: a case a line
    [
      '* [ ] a\n* b',
      doc({
        type: 'bulletList',
        content: ['[ ] a', 'b'].map((text) => ({ type: 'listItem', content: [paragraph(text)] })),
      }),
    ],
    [
      '-\n\n1.',
      doc(
        { type: 'bulletList', content: [{ type: 'listItem', content: [paragraph()] }] },
        { type: 'orderedList', content: [{ type: 'listItem', content: [paragraph()] }] },
      ),
    ],
  ])('%j is what the schema knows of it', (markdown, expected) => {
    expect(fromMarkdown(markdown)).toEqual(expected)
  })

  test('is read in bounded time and depth', () => {
    expect(() => fromMarkdown('>'.repeat(5_000))).toThrowError(code('format/too-deep'))
    expect(() => fromMarkdown('!['.repeat(20_000))).toThrowError(code('format/too-big'))
    expect(fromMarkdown('<p>'.repeat(150_000)).content).toHaveLength(150_000)
    for (const part of ['*a **b ', '[', '![](', '`', '<b>', '~~', '&', '- ', '|', '_a', '[a](<', '\\'])
      fromMarkdown(Array.from({ length: 4 }, () => part.repeat(32_000 / part.length)).join('\n\n'))
  })
})
