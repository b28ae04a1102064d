import { expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { skipUnheardEvents } from '../../server/documents/unheard-events.ts'

test('listeners hear what they heard before, also who begins later or ends, and lib0 is asked for nobody else', () => {
  const document = new Y.Doc()
  const emit = vi.spyOn(document, 'emit')
  skipUnheardEvents(document)
  const heard: string[] = []
  const listener = () => heard.push('afterTransaction')
  document.on('update', () => heard.push('update'))
  document.once('beforeTransaction', () => heard.push('beforeTransaction'))
  document.getText('text').insert(0, 'a')
  document.on('afterTransaction', listener)
  document.getText('text').insert(0, 'b')
  document.off('afterTransaction', listener)
  document.getText('text').insert(0, 'c')
  expect(heard).toEqual(['beforeTransaction', 'update', 'afterTransaction', 'update', 'update'])
  // That Yjs tells of more, which costs time, is why this is there.
  expect(emit.mock.calls.map(([name]) => name)).toEqual(heard)
  document.destroy()
})
