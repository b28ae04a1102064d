import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import type { ContentFormat } from '../../server/formats/content-formats.ts'
import { changeContent, readContent } from '../../server/formats/formats.ts'
import type { RichNode } from '../../server/formats/rich-node.ts'
import { isSoak } from '../support/random.ts'
import { randomDoc } from './random-doc.ts'
import { doc, everything, marked, paragraph } from './sample.ts'

const FIELD = 'default'
const seed = process.env.SEED ? Number(process.env.SEED) : isSoak ? Math.floor(Math.random() * 2 ** 31) : 20_261
const formats = ['json', 'html', 'markdown'] as const

function documentOf(content: RichNode): Y.Doc {
  const ydoc = new Y.Doc()
  changeContent(ydoc, FIELD, 'json', { content })
  return ydoc
}

/** Out of a document in one format, and into another one. */
function through(content: RichNode, format: ContentFormat): unknown {
  const ydoc = new Y.Doc()
  changeContent(ydoc, FIELD, format, { content: readContent(documentOf(content), FIELD, format) })
  return readContent(ydoc, FIELD, 'json')
}

describe.each(formats)('%s', (format) => {
  test('says every node and every mark', () => {
    expect(through(everything, format)).toEqual(everything)
  })

  test(`says random documents (rerun with SEED=${seed})`, () => {
    fc.assert(
      fc.property(randomDoc, (content) => {
        expect(through(content, format)).toEqual(content)
      }),
      { seed, numRuns: isSoak ? 200 : 40 },
    )
  })

  test('that is written over itself changes nothing', () => {
    const ydoc = documentOf(everything)
    let changes = 0
    ydoc.on('update', () => {
      changes += 1
    })
    changeContent(ydoc, FIELD, format, { content: readContent(ydoc, FIELD, format) })
    expect(changes).toBe(0)
  })
})

test(`a document becomes any other, in each format (rerun with SEED=${seed})`, () => {
  fc.assert(
    fc.property(randomDoc, randomDoc, fc.constantFrom(...formats), (before, after, format) => {
      const ydoc = documentOf(before)
      changeContent(ydoc, FIELD, format, { content: readContent(documentOf(after), FIELD, format) })
      expect(readContent(ydoc, FIELD, 'json')).toEqual(after)
    }),
    { seed, numRuns: isSoak ? 200 : 40 },
  )
})

test('plain text is a paragraph a line, and is only written where there is nothing else', () => {
  const ydoc = new Y.Doc()
  changeContent(ydoc, FIELD, 'text', { content: 'one\n\nthree' })
  expect(readContent(ydoc, FIELD, 'json')).toEqual(doc(paragraph('one'), paragraph(), paragraph('three')))
  expect(readContent(ydoc, FIELD, 'text')).toBe('one\n\nthree')
  const rich = documentOf(doc(paragraph('one ', marked('bold', 'bold'))))
  expect(readContent(rich, FIELD, 'text')).toBe('one bold')
  expect(() => changeContent(rich, FIELD, 'text', { content: 'two' })).toThrowError(
    expect.objectContaining({ code: 'format/lossy' }),
  )
})

test('a Yjs text is read and written as plain text', () => {
  const ydoc = new Y.Doc()
  ydoc.getText('code').insert(0, 'let a = 1\nlet b = 2\n')
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(ydoc))
  changeContent(copy, 'code', 'text', { edits: [{ find: 'a = 1', replace: 'a = 10' }] })
  expect(readContent(copy, 'code', 'text')).toBe('let a = 10\nlet b = 2\n')
  expect(() => readContent(copy, 'code', 'markdown')).toThrowError(
    expect.objectContaining({ code: 'format/no-such-field', message: expect.stringContaining('"code" (text)') }),
  )
})
