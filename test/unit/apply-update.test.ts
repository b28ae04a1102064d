import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { applyUpdate, encodeShown, InvalidUpdateError } from '../../server/documents/apply-update.ts'

function updatesOf(edit: (ydoc: Y.Doc) => void): Uint8Array[] {
  const ydoc = new Y.Doc()
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  edit(ydoc)
  return updates
}

describe('applying an update', () => {
  test('gives the bytes as they came, and nothing the second time', () => {
    const [update = new Uint8Array()] = updatesOf((ydoc) => ydoc.getText('t').insert(0, 'hello'))
    const target = new Y.Doc()
    expect(applyUpdate(target, update, null, false)).toEqual({ stored: update, shown: update })
    expect(applyUpdate(target, update, null, false)).toBeUndefined()
    expect(target.getText('t').toString()).toBe('hello')
  })

  test('gives only what is new of an answer to a sync step', () => {
    const source = new Y.Doc()
    const text = source.getText('t')
    text.insert(0, 'x'.repeat(500))
    for (let index = 0; index < 100; index += 1) text.delete(index * 2, 1)
    const target = new Y.Doc()
    applyUpdate(target, Y.encodeStateAsUpdate(source), null, true)
    text.insert(0, 'y')
    const answer = Y.encodeStateAsUpdate(source, Y.encodeStateVector(target))
    const news = applyUpdate(target, answer, null, true)
    expect(news?.stored.length).toBeLessThan(answer.length / 2)
    expect(news?.shown).toBe(news?.stored)
    expect(target.getText('t').toString()).toBe(text.toString())
  })

  test('an answer with nothing new gives nothing', () => {
    const source = new Y.Doc()
    source.getText('t').insert(0, 'abc')
    source.getText('t').delete(0, 1)
    const target = new Y.Doc()
    Y.applyUpdate(target, Y.encodeStateAsUpdate(source))
    expect(applyUpdate(target, Y.encodeStateAsUpdate(source, Y.encodeStateVector(target)), null, true)).toBeUndefined()
  })

  test('updates that wait are stored, and shown once what they wait for has come', () => {
    const [first = new Uint8Array(), second = new Uint8Array(), third = new Uint8Array()] = updatesOf((ydoc) => {
      for (const letter of 'abc') ydoc.getText('t').insert(ydoc.getText('t').length, letter)
    })
    const target = new Y.Doc()
    const replica = new Y.Doc()
    expect(applyUpdate(target, second, null, false)).toEqual({ stored: second, shown: undefined })
    expect(applyUpdate(target, third, null, false)).toEqual({ stored: third, shown: undefined })
    expect(applyUpdate(target, third, null, false)).toBeUndefined()
    expect(target.getText('t').toString()).toBe('')
    Y.applyUpdate(replica, encodeShown(target, Y.encodeStateVector(replica)))
    expect(replica.store.pendingStructs).toBeNull()
    const { stored, shown } = applyUpdate(target, first, null, false) ?? {}
    expect(stored).toBe(first)
    if (shown !== undefined) Y.applyUpdate(replica, shown)
    expect(target.getText('t').toString()).toBe('abc')
    expect(replica.getText('t').toString()).toBe('abc')
  })

  test('a repeated answer of a client that lacks what a waiting deletion needs gives nothing new', () => {
    const source = new Y.Doc()
    source.getText('t').insert(0, 'ab')
    const before = Y.encodeStateVector(source)
    source.getText('t').delete(0, 1)
    const deletion = Y.encodeStateAsUpdate(source, before)
    const target = new Y.Doc()
    expect(applyUpdate(target, deletion, null, false)).toEqual({ stored: deletion, shown: undefined })
    expect(applyUpdate(target, deletion, null, true)).toBeUndefined()
  })

  test('what got in before an update failed is told', () => {
    const [update = new Uint8Array()] = updatesOf((ydoc) => ydoc.getText('t').insert(0, 'hello'))
    const truncated = update.subarray(0, update.length - 1)
    const target = new Y.Doc()
    let error: unknown
    try {
      applyUpdate(target, truncated, null, false)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(InvalidUpdateError)
    const replica = new Y.Doc()
    if (error instanceof InvalidUpdateError && error.applied !== undefined) Y.applyUpdate(replica, error.applied.stored)
    expect(replica.getText('t').toString()).toBe(target.getText('t').toString())
  })

  test('what Yjs tidies by itself after formatting is told as well', () => {
    const source = new Y.Doc()
    const updates: Uint8Array[] = []
    source.getText('t').insert(0, 'one two three')
    const other = new Y.Doc()
    Y.applyUpdate(other, Y.encodeStateAsUpdate(source))
    source.on('update', (update: Uint8Array) => updates.push(update))
    other.on('update', (update: Uint8Array) => updates.push(update))
    const target = new Y.Doc()
    const replica = new Y.Doc()
    for (const ydoc of [target, replica]) Y.applyUpdate(ydoc, Y.encodeStateAsUpdate(source))
    source.getText('t').format(4, 3, { bold: true })
    other.getText('t').format(4, 3, { bold: true })
    source.getText('t').format(0, 13, { bold: null })
    for (const update of updates) {
      const news = applyUpdate(target, update, null, false)
      if (news?.shown !== undefined) Y.applyUpdate(replica, news.shown)
    }
    expect(Y.encodeStateAsUpdate(replica)).toEqual(Y.encodeStateAsUpdate(target))
  })
})
