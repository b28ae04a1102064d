import fc from 'fast-check'
import * as encoding from 'lib0/encoding'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Overview } from '../../editor-demo/admin/api.ts'
import { documentHash, routeOf } from '../../editor-demo/admin/route.ts'
import { MAX_SAMPLES, type Sample, scaleFor, withSample } from '../../editor-demo/admin/samples.ts'
import { type Part, partsOf, readDocument } from '../../editor-demo/admin/structure.ts'
import { firstByName } from '../../server/admin/overview.ts'

function overview(at: number, taken: number): Overview {
  const figures = { connections: 1, users: 1, documents: 1, waitingBytes: 0, memoryBytes: 2, eventLoopDelay: 3 }
  return { version: '1', at, uptime: at, updates: { taken, committed: taken }, relay: 'none', ...figures }
}

test('charts show updates a second between two looks, and begin anew with the server', () => {
  let samples: readonly Sample[] = []
  let last: Overview | undefined
  for (const next of [overview(1_000, 10), overview(3_000, 30), overview(4_000, 5), overview(5_000, 12)]) {
    samples = withSample(samples, last, next)
    last = next
  }
  expect(samples.map(({ updatesPerSecond }) => updatesPerSecond)).toEqual([0, 10, 0, 7])
  for (let at = 0; at < 2 * MAX_SAMPLES; at++) samples = withSample(samples, last, overview(6_000 + at, 12))
  expect(samples).toHaveLength(MAX_SAMPLES)
  expect([0, 0.3, 1, 1.1, 3, 10, 11, 287e6].map(scaleFor)).toEqual([1, 1, 1, 2, 5, 10, 20, 500e6])
})

test('the first documents by name are those of all, sorted', () => {
  const names = fc.array(fc.string({ maxLength: 2 }))
  fc.assert(
    fc.property(names, fc.string({ maxLength: 1 }), fc.integer({ min: 1, max: 5 }), (all, after, count) => {
      const documents = [...new Set(all)].map((name) => ({ name }))
      const expected = documents.map(({ name }) => name).filter((name) => name > after)
      const found = firstByName(documents, after, count).map(({ name }) => name)
      expect(found).toEqual(expected.toSorted().slice(0, count))
    }),
  )
})

test('the address says what is shown', () => {
  for (const name of ['notes/a', 'ä#%/b c', 'users'])
    expect(routeOf(documentHash(name))).toEqual({ page: 'document', name })
  expect(routeOf('#/audit')).toEqual({ page: 'audit' })
  for (const hash of ['', '#/', '#/nothing', '#/documents/%E0%A4%A'])
    expect(routeOf(hash)).toEqual({ page: 'overview' })
})

test('a document is taken apart from its stored parts, whatever its types are', () => {
  const ydoc = new Y.Doc()
  const text = ydoc.getText('text')
  text.insert(0, 'hello')
  text.delete(0, 1)
  text.format(0, 2, { bold: true })
  ydoc.getMap('map').set('nested', new Y.Array())
  ydoc.getArray('list').push([1, { a: null }, Uint8Array.of(1, 2)])
  const paragraph = new Y.XmlElement('paragraph')
  paragraph.insert(0, [new Y.XmlText('in it')])
  ydoc.getXmlFragment('page').insert(0, [paragraph])
  const bytes = encoding.encode((encoder) => {
    const state = Y.encodeStateAsUpdate(ydoc)
    for (const part of [state, state]) encoding.writeVarUint8Array(encoder, part)
  })
  type Shown = string | [string, Shown[]]
  const shown = ({ label, children }: Part): Shown => (children === undefined ? label : [label, children().map(shown)])
  const parts = partsOf(readDocument(bytes)).map(shown)
  expect(parts.toSorted()).toEqual([
    ['list: Array of 3', ['1, {"a":null}', '2 bytes']],
    ['map: Map of 1', ['nested: Array, empty']],
    ['page: XmlFragment of 1', [['<paragraph> of 1', [['XmlText of 5', ['"in it"']]]]]],
    ['text: Text of 4', ['format bold = true', '"el"', 'format bold = null', '"lo"']],
  ])
  expect(() => readDocument(Uint8Array.of(9, 1))).toThrow()
})
