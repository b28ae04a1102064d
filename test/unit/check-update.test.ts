import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { checkUpdate } from '../../server/documents/check-update.ts'
import { createRandom, seedsFor } from '../support/random.ts'

function richUpdate(client: number): Uint8Array {
  const ydoc = new Y.Doc()
  ydoc.clientID = client
  const text = ydoc.getText('text')
  text.insert(0, 'hello world')
  text.format(0, 5, { bold: true })
  text.delete(2, 3)
  const map = ydoc.getMap('map')
  map.set('list', Y.Array.from([1, 'two', { three: 3 }, new Uint8Array([4])]))
  map.set('sub', new Y.Doc({ guid: 'sub' }))
  map.set('list', null)
  ydoc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p'), new Y.XmlText('x')])
  return Y.encodeStateAsUpdate(ydoc)
}

test('takes what Yjs makes, and tells where its clients end', () => {
  const one = richUpdate(5)
  const other = richUpdate(9)
  const { ranges } = checkUpdate(Y.mergeUpdates([one, other]))
  const ends = new Map(Array.from(ranges, ([client, { end }]) => [client, end]))
  const ydoc = new Y.Doc()
  Y.applyUpdate(ydoc, one)
  Y.applyUpdate(ydoc, other)
  expect(ends).toEqual(Y.decodeStateVector(Y.encodeStateVector(ydoc)))
})

test.each(seedsFor([1], 1))(
  'what it takes can be applied, encoded and loaded again, however its bytes were changed (SEED=%i)',
  (seed) => {
    const random = createRandom(seed)
    const base = richUpdate(5)
    const valid = richUpdate(77)
    let taken = 0
    for (let round = 0; round < 3_000; round += 1) {
      const update = Uint8Array.from(valid)
      for (let flips = 1 + random.int(3); flips > 0; flips -= 1) update[random.int(update.length)] = random.int(256)
      try {
        checkUpdate(update)
      } catch {
        // Refused, as it may be: the test is about what isn't.
        continue
      }
      taken += 1
      const ydoc = new Y.Doc()
      Y.applyUpdate(ydoc, base)
      expect(() => Y.applyUpdate(ydoc, update), `applying ${Buffer.from(update).toString('hex')}`).not.toThrow()
      const again = new Y.Doc()
      expect(
        () => Y.applyUpdate(again, Y.encodeStateAsUpdate(ydoc)),
        `loading ${Buffer.from(update).toString('hex')}`,
      ).not.toThrow()
    }
    expect(taken).toBeGreaterThan(100)
  },
)
