import { expect, test } from 'vitest'
import * as Y from 'yjs'
import {
  type ChatMessage,
  deleteMessage,
  editMessage,
  inOrder,
  messagesOf,
  newMessageId,
  sendMessage,
  setReaction,
  timeOfMessageId,
} from '../../model/chat.ts'
import { checkUpdate } from '../../server/documents/check-update.ts'
import type { Refusal } from '../../server/documents/guard.ts'
import { appendedMessages } from '../../server/rooms/appended-messages.ts'
import { describeSegmentChange, type PlainMessage, type SegmentChange } from '../../server/rooms/segment-change.ts'
import { copyOf, forge, insertItem } from '../support/chat-forgery.ts'
import { createRandom, seedsFor } from '../support/random.ts'

/** A segment with a message of ann's and one of bob's. */
function segment(): Y.Doc {
  const ydoc = new Y.Doc()
  ydoc.clientID = 1
  sendMessage(ydoc, 'ann', { text: 'by ann' })
  sendMessage(ydoc, 'bob', { text: 'by bob' })
  setReaction(messagesOf(ydoc).get(0), '👍', 'bob', true)
  return ydoc
}

function describeUpdate(base: Y.Doc, update: Uint8Array): SegmentChange | Refusal {
  const trial = new Y.Doc()
  messagesOf(trial)
  Y.applyUpdate(trial, Y.encodeStateAsUpdate(base))
  let description: SegmentChange | Refusal | undefined
  trial.on('afterTransaction', (transaction: Y.Transaction) => {
    description ??= describeSegmentChange(transaction, base)
  })
  Y.applyUpdate(trial, update)
  if (description === undefined) throw new Error('nothing happened')
  // What is read from the structs alone must be what applying them shows.
  const appended = readAppended(base, update)
  if (appended !== undefined) expect(description).toEqual({ inserted: appended, edited: [] })
  return description
}

function readAppended(base: Y.Doc, update: Uint8Array): PlainMessage[] | undefined {
  return appendedMessages(checkUpdate(update), base)
}

function describeChange(edit: (messages: Y.Array<Y.Map<unknown>>, ydoc: Y.Doc) => void, base = segment()) {
  return describeUpdate(
    base,
    forge(base, 2, (ydoc) => edit(messagesOf(ydoc), ydoc)),
  )
}

test('a new message is described as it is, with what was done to it before it was sent', () => {
  const change = describeChange((messages, ydoc) => {
    sendMessage(ydoc, 'cleo', { text: 'first' })
    editMessage(messages.get(2), 'second')
    setReaction(messages.get(2), '👍', 'cleo', true)
  })
  expect(change).toMatchObject({ inserted: [{ author: 'cleo', text: 'second' }], edited: [] })
})

test('what is only appended is read without a trial', () => {
  const base = segment()
  const append = (ydoc: Y.Doc) => {
    sendMessage(ydoc, 'cleo', { text: 'one' })
    sendMessage(ydoc, 'cleo', { text: 'two', attachments: [{ name: 'a', type: 'b/c', size: 1, url: 'https://d' }] })
    setReaction(messagesOf(ydoc).get(3), '👍', 'cleo', true)
  }
  expect(readAppended(base, forge(base, 2, append))).toMatchObject([
    { text: 'one', reactions: {} },
    { text: 'two', attachments: [{ name: 'a' }], reactions: { '👍 cleo': expect.any(Number) } },
  ])
  expect(
    readAppended(
      new Y.Doc(),
      forge(new Y.Doc(), 2, (ydoc) => sendMessage(ydoc, 'cleo', { text: 'a' })),
    ),
  ).toHaveLength(1)
})

test('what has to wait, repeats, or touches what is there is never read without a trial', () => {
  const base = segment()
  const ahead = copyOf(base)
  ahead.clientID = 3
  sendMessage(ahead, 'bob', { text: 'not here yet' })
  const waiting = forge(ahead, 2, (ydoc) => sendMessage(ydoc, 'cleo', { text: 'a' }))
  const repeated = Y.encodeStateAsUpdate(ahead)
  const edited = forge(base, 2, (ydoc) => editMessage(messagesOf(ydoc).get(0), 'a'))
  const twice = forge(base, 2, (ydoc) => {
    sendMessage(ydoc, 'cleo', { text: 'a' })
    messagesOf(ydoc).get(2).set('text', 'b')
  })
  const elsewhere = forge(base, 2, (ydoc) => ydoc.getArray('others').push([new Y.Map()]))
  for (const update of [waiting, repeated, edited, twice, elsewhere]) expect(readAppended(base, update)).toBeUndefined()
})

test.each(seedsFor([1], 1))('what is read without a trial is what a trial shows (SEED=%i)', (seed) => {
  const random = createRandom(seed)
  const base = segment()
  let read = 0
  for (let round = 0; round < 300; round += 1) {
    const update = forge(base, 100 + random.int(3), (ydoc) => {
      const messages = messagesOf(ydoc)
      for (let step = 0; step <= random.int(3); step += 1) {
        random.pick<() => unknown>([
          () => sendMessage(ydoc, 'cleo', { text: `${round}` }),
          () => sendMessage(ydoc, 'cleo', { text: `${round}` }),
          () => {
            const last = messages.get(messages.length - 1)
            if (last.get('reactions') instanceof Y.Map) setReaction(last, '👍', `cleo${round}`, true)
          },
          () => editMessage(messages.get(random.int(messages.length)), `${round}`),
          () => messages.get(messages.length - 1).set('reactions', 1),
          () => messages.insert(random.int(messages.length + 1), [new Y.Map([['text', 1]])]),
          () => ydoc.getMap('others').set('a', new Y.Map()),
        ])()
      }
    })
    if (readAppended(base, update) !== undefined) read += 1
    const change = describeUpdate(base, update)
    if (!('rule' in change)) Y.applyUpdate(base, update)
  }
  expect(read).toBeGreaterThan(20)
})

test('an edit is described with the keys that were written, also those that are as before', () => {
  const change = describeChange((messages) => {
    messages.get(0).set('text', 'by ann')
    messages.get(1).delete('at')
    setReaction(messages.get(0), '👍', 'bob', false)
    setReaction(messages.get(1), '🎉', 'cleo', true)
  })
  expect(change).toMatchObject({
    inserted: [],
    edited: [
      { before: { text: 'by ann' }, after: { text: 'by ann', reactions: {} } },
      { before: { at: expect.any(Number) }, after: { reactions: { '🎉 cleo': expect.any(Number) } } },
    ],
  })
  const { edited } = change as SegmentChange
  expect(edited.map(({ written }) => [...written])).toEqual([['text'], ['at']])
  expect(edited.map(({ reactions }) => [...reactions])).toEqual([['👍 bob'], ['🎉 cleo']])
})

test('an entry that loses against a newer one counts as written', () => {
  const base = segment()
  const edit = forge(base, 3, (ydoc) => messagesOf(ydoc).get(0).set('text', 'older'))
  editMessage(messagesOf(base).get(0), 'newer')
  editMessage(messagesOf(base).get(0), 'newest')
  const change = describeUpdate(base, edit) as SegmentChange
  expect(change.edited).toHaveLength(1)
  expect([...(change.edited[0]?.written ?? [])]).toEqual(['text'])
})

test('an append that did not know the latest messages is an append', () => {
  const base = segment()
  const update = forge(base, 2, (ydoc) => sendMessage(ydoc, 'cleo', { text: 'offline' }))
  sendMessage(base, 'ann', { text: 'meanwhile' })
  expect(describeUpdate(base, update)).toMatchObject({ inserted: [{ text: 'offline' }], edited: [] })
})

test.each<[string, (messages: Y.Array<Y.Map<unknown>>, ydoc: Y.Doc) => void]>([
  ['removal', (messages) => messages.delete(0)],
  ['insertion', (messages) => messages.insert(1, [new Y.Map()])],
  ['another root', (_, ydoc) => ydoc.getMap('other').set('key', 1)],
  ['a nested type', (messages) => messages.get(0).set('text', new Y.Text())],
  ['a subclass of Y.Map', (messages) => (messages as Y.Array<unknown>).push([new Y.XmlHook('x')])],
  ['new reactions', (messages) => messages.get(0).set('reactions', new Y.Map())],
  ['plain reactions', (messages) => messages.push([new Y.Map([['reactions', {}]])])],
  ['the key __proto__', (messages) => messages.get(0).set('__proto__', 1)],
  ['undefined', (messages) => messages.get(0).set('text', undefined)],
  ['a big integer', (messages) => messages.get(0).set('text', 1n)],
  ['bytes inside a value', (messages) => messages.get(0).set('text', [Uint8Array.of(1)])],
  ['a deep value', (messages) => messages.get(0).set('text', JSON.parse(`${'['.repeat(20)}${']'.repeat(20)}`))],
  ['a list in a message', (messages, ydoc) => insertItem(ydoc, messages.get(0), {}, new Y.ContentAny([1]))],
  [
    'a list in reactions',
    (messages, ydoc) => insertItem(ydoc, messages.get(0).get('reactions'), {}, new Y.ContentAny([1])),
  ],
  ['text content', (messages, ydoc) => insertItem(ydoc, messages.get(0), { key: 'text' }, new Y.ContentString('x'))],
  ['JSON content', (messages, ydoc) => insertItem(ydoc, messages.get(0), { key: 'text' }, new Y.ContentJSON(['x']))],
])('no part of a chat: %s', (_, edit) => {
  expect(describeChange(edit)).toEqual({ rule: 'chat/shape', reason: expect.any(String) })
})

test('deleting softly keeps the message', () => {
  const change = describeChange((messages) => deleteMessage(messages.get(0))) as SegmentChange
  expect(change.edited).toMatchObject([{ after: { text: '', deletedAt: expect.any(Number) } }])
})

test('messages are in the order of seq, those without one last', () => {
  const message = (id: string, seq?: number): ChatMessage => ({
    ...{ id, author: 'ann', at: 0, text: id },
    ...(seq === undefined ? {} : { seq }),
  })
  const messages = [message('c'), message('b', 2), message('d'), message('a', 1)]
  expect(inOrder(messages).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd'])
})

test('ids of messages are UUIDs of version 7 that sort by time and tell it', () => {
  const times = [0, 1, 1_700_000_000_000, 2 ** 48 - 1]
  const ids = times.map((now) => newMessageId(now))
  expect(ids.map(timeOfMessageId)).toEqual(times)
  for (const id of ids) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(Array.from({ length: 1_000 }, () => newMessageId(5))).size).toBe(1_000)
})
