import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { AccessError } from '../../server/access/access-error.ts'
import { checkUpdate } from '../../server/documents/check-update.ts'
import { DocumentSize } from '../../server/documents/document-size.ts'
import { updateOf } from '../support/messages.ts'

const KiB = 1024

function sized(maxBytes: number) {
  const ydoc = new Y.Doc()
  const size = new DocumentSize(ydoc, 0, maxBytes)
  return {
    ydoc,
    size,
    take(update: Uint8Array) {
      size.admit(update, checkUpdate(update).ranges)
      Y.applyUpdate(ydoc, update)
      size.grow(update.length)
    },
  }
}

const tooBig = expect.objectContaining({ code: 'document/too-big', closeCode: 4413 })

test('an update that would make it larger than it may be is refused', () => {
  const { take } = sized(10 * KiB)
  take(updateOf(1, (ydoc) => ydoc.getText('text').insert(0, 'x'.repeat(6 * KiB))))
  const second = updateOf(2, (ydoc) => ydoc.getText('text').insert(0, 'x'.repeat(6 * KiB)))
  expect(() => take(second)).toThrow(AccessError)
  expect(() => take(second)).toThrow(tooBig)
  take(updateOf(3, (ydoc) => ydoc.getText('text').insert(0, 'x'.repeat(3 * KiB))))
})

test('what counts is what the document holds, not all that was ever written', () => {
  const { take, ydoc } = sized(20 * KiB)
  const writer = new Y.Doc()
  writer.on('update', take)
  for (let round = 0; round < 100; round += 1) writer.getMap('map').set('key', 'x'.repeat(5 * KiB) + round)
  expect(ydoc.getMap('map').get('key')).toMatch(/x99$/)
})

test('deletions, and what it has already, are taken when it is full', () => {
  const { take } = sized(8 * KiB)
  const writer = new Y.Doc()
  writer.getText('text').insert(0, 'x'.repeat(8 * KiB - 100))
  const all = Y.encodeStateAsUpdate(writer)
  take(all)
  expect(() => take(all)).not.toThrow()
  expect(() => take(updateOf(2, (ydoc) => ydoc.getText('text').insert(0, 'y'.repeat(200))))).toThrow(tooBig)
  const before = Y.encodeStateVector(writer)
  writer.getText('text').delete(0, 4 * KiB)
  const deletion = Y.encodeStateAsUpdate(writer, before)
  expect(() => take(deletion)).not.toThrow()
})
