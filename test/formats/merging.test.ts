import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import type { ContentFormat } from '../../server/formats/content-formats.ts'
import { type Change, changeContent, readContent } from '../../server/formats/formats.ts'
import type { RichNode } from '../../server/formats/rich-node.ts'
import { doc, link, marked, paragraph } from './sample.ts'

const FIELD = 'default'

function documentOf(content: RichNode): Y.Doc {
  const ydoc = new Y.Doc()
  changeContent(ydoc, FIELD, 'json', { content })
  return ydoc
}

function copyOf(ydoc: Y.Doc): Y.Doc {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(ydoc))
  return copy
}

/** What two did at the same time, one of them through the API. */
function merged(before: Y.Doc, format: ContentFormat, change: Change, type: (fragment: Y.XmlFragment) => void): Y.Doc {
  const [theirs, typed] = [copyOf(before), copyOf(before)]
  changeContent(theirs, FIELD, format, change)
  type(typed.getXmlFragment(FIELD))
  Y.applyUpdate(typed, Y.encodeStateAsUpdate(theirs))
  return typed
}

/** The text of the block of that number. */
function textAt(fragment: Y.XmlFragment, ...path: readonly number[]): Y.XmlText {
  const found = path.reduce<unknown>(
    (type, index) => (type instanceof Y.XmlFragment ? type.get(index) : undefined),
    fragment,
  )
  const text = found instanceof Y.XmlElement ? found.get(0) : found
  return text instanceof Y.XmlText ? text : expect.unreachable(`there is no text at ${path}`)
}

const markdownOf = (ydoc: Y.Doc) => readContent(ydoc, FIELD, 'markdown')

describe('a change that comes while others type', () => {
  test('leaves their letters and carets: words, blocks before and behind, formats', () => {
    const before = documentOf(
      doc(
        paragraph('The quick brown fox jumps'),
        paragraph('Second'),
        paragraph('Third ', marked('bold', 'bold'), ' end'),
      ),
    )
    const fragment = before.getXmlFragment(FIELD)
    const [fox, second, bold] = [textAt(fragment, 0), textAt(fragment, 1), textAt(fragment, 2)]
    const carets = [
      Y.createRelativePositionFromTypeIndex(fox, 'The quick brown fo'.length),
      Y.createRelativePositionFromTypeIndex(second, 3),
      Y.createRelativePositionFromTypeIndex(bold, 'Third bo'.length),
    ]
    const content = '# New title\n\nThe slow brown fox leaps high\n\nInserted\n\nSecond\n\nThird **bold** and more end'
    const after = merged(before, 'markdown', { content }, (typed) => {
      textAt(typed, 0).insert('The quick brown fo'.length, 'oo')
      textAt(typed, 1).insert(3, '!')
    })
    expect(markdownOf(after)).toBe(
      '# New title\n\nThe slow brown fooox leaps high\n\nInserted\n\nSec!ond\n\nThird **bold** and more end\n',
    )
    const places = carets.map((caret) => {
      const place = Y.createAbsolutePositionFromRelativePosition(caret, after)
      const text = place?.type instanceof Y.XmlText ? place.type : expect.unreachable('a caret is lost')
      return text
        .toDelta()
        .map(({ insert }: { insert: string }) => insert)
        .join('')
        .slice(0, place?.index)
    })
    // The caret stays before its letter, and so behind what was typed there.
    expect(places).toEqual(['The slow brown fooo', 'Sec!', 'Third bo'])
  })

  test('merges edits of the same word and of blocks in a list', () => {
    const before = documentOf(
      doc({
        type: 'bulletList',
        content: ['one', 'two', 'three'].map((text) => ({ type: 'listItem', content: [paragraph(text)] })),
      }),
    )
    const change = { edits: [{ find: '- two', replace: '- two and a half\n- between' }] }
    const after = merged(before, 'markdown', change, (typed) => {
      textAt(typed, 0, 1, 0).insert(0, '(')
      textAt(typed, 0, 2, 0).insert(5, '!')
    })
    expect(markdownOf(after)).toBe('- one\n- (two and a half\n- between\n- three!\n')
  })

  test('by block numbers changes those blocks alone', () => {
    const before = documentOf(doc(paragraph('zero'), paragraph('one'), paragraph('two')))
    const change = {
      blocks: [
        { at: 1, remove: 1, insert: '## One\n\nmore' },
        { at: 3, remove: 0, insert: 'three' },
      ],
    }
    const after = merged(before, 'markdown', change, (typed) => textAt(typed, 2).insert(3, '!'))
    expect(markdownOf(after)).toBe('zero\n\n## One\n\nmore\n\ntwo!\n\nthree\n')
    const error = (blocks: Change) => {
      try {
        changeContent(copyOf(before), FIELD, 'markdown', blocks)
      } catch (thrown) {
        return thrown
      }
    }
    expect(error({ blocks: [{ at: 3, remove: 1, insert: '' }] })).toMatchObject({ code: 'edit/no-such-block' })
    expect(error({ blocks: [{ at: 0, remove: 2, insert: '' }, { at: 1, remove: 1, insert: '' }] })).toMatchObject({ code: 'edit/ambiguous' }) // biome-ignore format: one case a line
  })

  test('leaves alone what its format does not say', () => {
    const ydoc = documentOf(
      doc(
        paragraph(
          marked('linked', { type: 'link', attrs: { href: 'https://example.org', target: null, class: 'x' } }),
          ' text',
        ),
        paragraph('second'),
      ),
    )
    const [first] = ydoc.getXmlFragment(FIELD).toArray()
    if (!(first instanceof Y.XmlElement)) return expect.unreachable('no paragraph')
    first.setAttribute('textAlign', 'center')
    changeContent(ydoc, FIELD, 'markdown', { edits: [{ find: ' text', replace: ' words' }] })
    expect(markdownOf(ydoc)).toBe('[linked](https://example.org) words\n\nsecond\n')
    expect(readContent(ydoc, FIELD, 'json')).toMatchObject({
      content: [
        {
          attrs: { textAlign: 'center' },
          content: [{ marks: [{ type: 'link', attrs: { target: null, class: 'x' } }] }, { text: ' words' }],
        },
        { content: [{ text: 'second' }] },
      ],
    })
  })

  test('splits no surrogate pair', () => {
    const before = documentOf(doc(paragraph('a👍b')))
    const after = merged(before, 'markdown', { content: 'a👎b' }, (typed) => textAt(typed, 0).insert(3, '!'))
    expect(String(markdownOf(after)).isWellFormed()).toBe(true)
    expect(markdownOf(after)).toMatch(/^a(👎!|!👎)b\n$/u)
  })
})

describe('an edit', () => {
  const ydoc = documentOf(doc(paragraph('one two one'), paragraph(marked('x', link('https://example.org')))))

  test.each([
    ['edit/not-found', [{ find: 'three', replace: '' }]],
    ['edit/ambiguous', [{ find: 'one', replace: '' }]],
    [
      'edit/not-found',
      [
        { find: 'two', replace: '2' },
        { find: 'two', replace: '' },
      ],
    ],
  ])('that fits no place, or several, is refused: %s', (code, edits) => {
    const before = Y.encodeStateAsUpdate(ydoc)
    expect(() => changeContent(ydoc, FIELD, 'markdown', { edits })).toThrowError(expect.objectContaining({ code }))
    expect(Y.encodeStateAsUpdate(ydoc)).toEqual(before)
  })
})
