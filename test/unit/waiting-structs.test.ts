import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { checkUpdate } from '../../server/documents/check-update.ts'
import { waitsInVain } from '../../server/documents/waiting-structs.ts'

const LETTERS = 'x'.repeat(100 * 1024)

/** The updates of a text written letter by letter, or rather lump by lump. */
function updatesOf(count: number): Uint8Array[] {
  const writer = new Y.Doc()
  const updates: Uint8Array[] = []
  writer.on('update', (update: Uint8Array) => updates.push(update))
  for (let index = 0; index < count; index += 1) writer.getText('text').insert(0, LETTERS)
  return updates
}

test('what waits is bounded, and what fills the gap is taken', () => {
  const [first = new Uint8Array(), ...others] = updatesOf(8)
  const ydoc = new Y.Doc()
  let taken = 0
  for (const update of others) {
    if (waitsInVain(ydoc, checkUpdate(update))) break
    Y.applyUpdate(ydoc, update)
    taken += 1
  }
  expect(taken).toBe(3)
  expect(waitsInVain(ydoc, checkUpdate(first))).toBe(false)
  Y.applyUpdate(ydoc, first)
  expect(ydoc.getText('text').length).toBe((taken + 1) * LETTERS.length)
  for (const update of others.slice(taken)) {
    expect(waitsInVain(ydoc, checkUpdate(update))).toBe(false)
    Y.applyUpdate(ydoc, update)
  }
  expect(ydoc.getText('text').length).toBe(8 * LETTERS.length)
})

describe('more structs between the same neighbours than any honest clients leave', () => {
  const encode = (count: number, write: (ydoc: Y.Doc, index: number) => void) => {
    const updates = Array.from({ length: count }, (_, index) => {
      const ydoc = new Y.Doc()
      ydoc.clientID = index + 1
      write(ydoc, index)
      return Y.encodeStateAsUpdate(ydoc)
    })
    while (updates.length > 1) updates.push(Y.mergeUpdates(updates.splice(0, 200)))
    return updates[0] ?? new Uint8Array()
  }

  test('are refused', () => {
    const key = encode(5_001, (ydoc, index) => ydoc.getMap('map').set('key', index))
    expect(() => checkUpdate(key)).toThrow('same neighbours')
    const text = encode(5_001, (ydoc) => ydoc.getText('text').insert(0, 'x'))
    expect(() => checkUpdate(text)).toThrow('same neighbours')
  })

  test('are not what stands beside them, under other keys or in a long text', () => {
    const keys = encode(5_100, (ydoc, index) => ydoc.getMap('map').set(`key ${index % 100}`, index))
    expect(() => checkUpdate(keys)).not.toThrow()
    const writer = new Y.Doc()
    writer.transact(() => {
      for (let index = 0; index < 6_000; index += 1) writer.getArray('front').insert(0, [{ index }])
      for (let index = 0; index < 6_000; index += 1) writer.getMap('map').set('key', index)
      const text = writer.getText('text')
      for (let index = 0; index < 6_000; index += 1) {
        text.insert(0, 'x')
        text.delete(0, 1)
      }
    })
    expect(() => checkUpdate(Y.encodeStateAsUpdate(writer))).not.toThrow()
  })
})
