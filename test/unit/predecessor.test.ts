import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { messagesOf, newMessageId, sendMessage } from '../../model/chat.ts'
import { asPredecessor } from '../../server/rooms/predecessor.ts'

const minute = 60_000
const noon = 1_800_000_000_000

/** A segment with messages that were written and received at these times, numbered from `firstSeq`. */
function segment(firstSeq: number, times: readonly (readonly [written: number, received: number])[]): Y.Doc {
  const ydoc = new Y.Doc()
  for (const [index, [written, received]] of times.entries()) {
    sendMessage(ydoc, 'ann', { text: 'x' }, newMessageId(written))
    messagesOf(ydoc)
      .get(index)
      .set('seq', firstSeq + index)
    messagesOf(ydoc).get(index).set('receivedAt', received)
  }
  return ydoc
}

const first = segment(1, [
  [noon + minute, noon],
  [noon - 9 * minute, noon + 1],
])
const second = segment(3, [
  [noon, noon + 3],
  [noon - 5 * minute, noon + 2],
])
const third = segment(5, [[noon, noon + 9 * minute]])

test('behind the first segment there is none', () => {
  const { lastSeq, ids, lastEarlierIdTime } = asPredecessor(first, 1)
  expect([lastSeq, ids, lastEarlierIdTime]).toEqual([2, new Set(messagesOf(first).map((m) => m.get('id'))), undefined])
})

test('those further back took their messages before its first one', () => {
  expect(asPredecessor(second, 2).lastEarlierIdTime).toBe(noon + 2 + minute)
})

test('what they were seen to hold tells more, as far back as it goes', () => {
  const one = asPredecessor(first, 1)
  const two = asPredecessor(second, 2, one)
  expect(two.lastEarlierIdTime).toBe(noon + minute)
  // The first of all has the latest id.
  expect(asPredecessor(third, 3, two).lastEarlierIdTime).toBe(noon + minute)
  expect(asPredecessor(third, 3, asPredecessor(second, 2)).lastEarlierIdTime).toBe(noon + 2 + minute)
  expect(asPredecessor(third, 3).lastEarlierIdTime).toBe(noon + 10 * minute)
})
