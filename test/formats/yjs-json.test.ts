import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { changeContent } from '../../server/formats/formats.ts'
import { fromYjsJson, rootsOf, toYjsJson } from '../../server/formats/yjs-json.ts'
import { everything } from './sample.ts'

/** Every type and every kind of value that Yjs stores. */
function everyType(): Y.Doc {
  const ydoc = new Y.Doc()
  const map = ydoc.getMap<unknown>('a map')
  const nested = new Y.Text()
  nested.applyDelta([
    { insert: 'bold', attributes: { bold: true, link: { href: 'x' } } },
    { insert: { image: 1 } },
    { insert: ' ' },
  ])
  map.set('text', nested)
  map.set('map', new Y.Map([['list', Y.Array.from([1, new Y.Map()])]]))
  const values = [null, true, 'text', 1.5, Number.NaN, -0, Uint8Array.of(0, 255), { a: [{ b: 1 }] }, [[]], {}]
  ydoc.getArray('an array').push(values)
  const code = ydoc.getText('a text')
  code.insert(0, 'let x\n')
  code.setAttribute('language', 'ts')
  changeContent(ydoc, 'rich', 'json', { content: everything })
  map.set('bigint', 2n ** 60n)
  map.set('undefined', undefined)
  map.set('xml', new Y.XmlElement('alone'))
  ydoc.getMap('gone').set('key', 1)
  ydoc.getMap('gone').delete('key')
  ydoc.getArray('never used')
  return ydoc
}

/** As it comes from the log, where nothing tells what kind a root is. */
function loaded(ydoc: Y.Doc): Y.Doc {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(ydoc))
  return copy
}

test('any Yjs types go out and in again', () => {
  const ydoc = loaded(everyType())
  expect(Object.fromEntries(rootsOf(ydoc))).toEqual({
    'a map': 'map',
    'an array': 'array',
    'a text': 'text',
    rich: 'xmlFragment',
    gone: 'map',
  })
  const json = toYjsJson(ydoc)
  const copy = loaded(fromYjsJson(JSON.parse(JSON.stringify(json))))
  expect(toYjsJson(copy)).toEqual({ roots: { ...json.roots, gone: undefined } })
  const [array, again] = [ydoc, copy].map((each) => each.getArray('an array').toArray())
  expect(again).toEqual(array)
  expect(copy.getText('a text').toDelta()).toEqual(ydoc.getText('a text').toDelta())
})

test.each([
  { roots: [] },
  { roots: { a: 1 } },
  { roots: { a: { text: 'x' } } },
  { roots: { a: { array: [{ nothing: 1 }] } } },
  { roots: { a: { array: [{ list: [{ map: {} }] }] } } },
  { roots: { a: { array: [{ bigint: '99999999999999999999' }] } } },
  { roots: { a: { array: [{ bytes: '§' }] } } },
  { roots: { a: { xmlFragment: ['text'] } } },
  { roots: { a: { array: [{ bigint: '1' }] } } },
  {},
])('%j is refused', (json) => {
  expect(() => fromYjsJson(json)).toThrowError(expect.objectContaining({ code: 'format/malformed' }))
})

test('what stands too deep is refused both ways', () => {
  let json: unknown = { array: [] }
  const ydoc = new Y.Doc()
  let array = ydoc.getArray<unknown>('a')
  for (let depth = 0; depth < 500; depth += 1) {
    json = { array: [json] }
    const inner = new Y.Array<unknown>()
    array.push([inner])
    array = inner
  }
  const tooDeep = expect.objectContaining({ code: 'format/too-deep' })
  expect(() => fromYjsJson({ roots: { a: json } })).toThrowError(tooDeep)
  expect(() => toYjsJson(ydoc)).toThrowError(tooDeep)
})
