import { describe, expect, test } from 'vitest'
import { newMessageId } from '../../model/chat.ts'
import { type ChatContext, segmentRefusal } from '../../server/rooms/chat-rules.ts'
import type { MessageEdit, PlainMessage } from '../../server/rooms/segment-change.ts'

const now = 1_800_000_000_000

const context: ChatContext = {
  user: 'ann',
  level: 'comment',
  now,
  maxTextLength: 10,
  maxMessages: 5,
  count: 0,
  has: () => false,
}

function message(changes: PlainMessage = {}): PlainMessage {
  return { id: newMessageId(now), author: 'ann', at: now, text: 'hello', reactions: {}, ...changes }
}

function inserting(changes: PlainMessage, more: Partial<ChatContext> = {}): string | undefined {
  return segmentRefusal({ inserted: [message(changes)], edited: [] }, { ...context, ...more })?.rule
}

/** The rule that a change of a message of `author` breaks; what changes counts as written. */
function editing(before: PlainMessage, changes: PlainMessage, more: Partial<ChatContext> = {}): string | undefined {
  const old = message({ seq: 1, receivedAt: now, ...before })
  const after = Object.fromEntries(Object.entries({ ...old, ...changes }).filter(([, value]) => value !== undefined))
  return broken({ before: old, after, written: new Set(Object.keys(changes)), reactions: new Set() }, more)
}

function broken(edit: MessageEdit, more: Partial<ChatContext> = {}): string | undefined {
  return segmentRefusal({ inserted: [], edited: [edit] }, { ...context, ...more })?.rule
}

describe('a new message', () => {
  const file = { name: 'a', type: 'text/plain', size: 0, url: 'https://example.org/a' }

  test.each<[string, PlainMessage]>([
    ['plain', {}],
    ['with ten characters that are twenty units', { text: '😀'.repeat(10) }],
    ['a minute ahead', { at: now + 60_000, id: newMessageId(now + 60_000) }],
    ['written long ago', { at: 0, editedAt: 1, id: newMessageId(0) }],
    ['deleted before it was sent', { text: '', deletedAt: now }],
    ['with files only', { text: '', attachments: [file] }],
    ['an answer', { replyTo: newMessageId() }],
    ['with mentions', { mentions: ['bob', 'émile', 'constructor', 'x/y'] }],
    ['with twenty mentions', { mentions: Array.from({ length: 20 }, (_, index) => `user ${index}`) }],
    ['with no mentions', { mentions: [] }],
    ['a comment', { anchor: { start: { type: null, tname: 'text', item: { client: 1, clock: 2 }, assoc: 0 } } }],
    ['with a reaction of one’s own', { reactions: { '👍🏽 ann': now } }],
  ])('%s', (_, changes) => {
    expect(inserting(changes)).toBeUndefined()
  })

  test.each<[string, PlainMessage]>([
    ['foreign-author', { author: 'bob' }],
    ['empty-message', { text: '' }],
    ['empty-message', { text: '', attachments: [] }],
    ['text-too-long', { text: 'x'.repeat(11) }],
    ['text-too-long', { text: '😀'.repeat(11) }],
    ['time-ahead', { at: now + 60_001 }],
    ['time-ahead', { editedAt: now + 60_001 }],
    ['time-ahead', { id: newMessageId(now + 60_001) }],
    ['time-ahead', { text: '', deletedAt: now + 60_001 }],
    ['time-ahead', { reactions: { '👍 ann': now + 60_001 } }],
    ['deletion-keeps-content', { deletedAt: now }],
    ['foreign-reaction', { reactions: { '👍 bob': now } }],
    ['reaction-shape', { reactions: { '👍': now } }],
    ['reaction-shape', { reactions: { '12 ann': now } }],
    ['message-shape', { seq: 1 }],
    ['message-shape', { receivedAt: 1 }],
    ['message-shape', { anchor: { start: { item: 1 } } }],
    ['message-shape', { attachments: [{ ...file, url: 'ftp://example.org' }] }],
    ['message-shape', { attachments: [{ ...file, url: `https://example.org/${'x'.repeat(2_048)}` }] }],
    ['message-shape', { attachments: [{ ...file, size: -1 }] }],
    ['message-shape', { attachments: [{ ...file, type: 'text' }] }],
    ['message-shape', { attachments: [{ ...file, name: '' }] }],
    ['message-shape', { mentions: 'bob' }],
    ['message-shape', { mentions: { 0: 'bob', length: 1 } }],
    ['message-shape', { mentions: null }],
    ['message-shape', { mentions: ['bob', 7] }],
    ['message-shape', { mentions: [''] }],
    ['message-shape', { mentions: ['..'] }],
    ['message-shape', { mentions: ['\ud800'] }],
    ['message-shape', { mentions: ['x'.repeat(250)] }],
    ['message-shape', { mentions: ['bob', 'bob'] }],
    ['message-shape', { mentions: Array.from({ length: 21 }, (_, index) => `user ${index}`) }],
    ['message-shape', { id: undefined }],
    ['message-shape', { editedAt: null }],
  ])('breaks chat/%s: %j', (rule, changes) => {
    expect(inserting(changes)).toBe(`chat/${rule}`)
  })

  test('has an id that neither the room nor the update has', () => {
    const id = newMessageId()
    expect(inserting({ id }, { has: (other) => other === id })).toBe('chat/duplicate-id')
    expect(segmentRefusal({ inserted: [message({ id }), message({ id })], edited: [] }, context)?.rule).toBe(
      'chat/duplicate-id',
    )
  })

  test('needs room in the segment', () => {
    const inserted = [message(), message()]
    expect(segmentRefusal({ inserted, edited: [] }, { ...context, count: 3 })).toBeUndefined()
    expect(segmentRefusal({ inserted, edited: [] }, { ...context, count: 4 })?.rule).toBe('chat/segment-closed')
    expect(segmentRefusal({ inserted: [], edited: [] }, { ...context, count: 9 })).toBeUndefined()
  })

  test('is refused with a reason of bounded length', () => {
    const refusal = segmentRefusal({ inserted: [message({ ['x'.repeat(100_000)]: 1 })], edited: [] }, context)
    expect(refusal?.rule).toBe('chat/message-shape')
    expect(refusal?.reason.length).toBeLessThanOrEqual(500)
  })
})

describe('an edit', () => {
  const byBob = { author: 'bob' }
  const deleted = { text: '', deletedAt: 1 }

  test.each<[string | undefined, PlainMessage, PlainMessage]>([
    [undefined, {}, { text: 'new', editedAt: now }],
    [undefined, {}, { editedAt: now }],
    ['edit-unmarked', {}, { text: 'new' }],
    ['edit-unmarked', { editedAt: 1 }, { text: 'new', editedAt: undefined }],
    ['empty-message', {}, { text: '', editedAt: now }],
    ['text-too-long', {}, { text: 'x'.repeat(11), editedAt: now }],
    ['time-ahead', {}, { text: 'new', editedAt: now + 60_001 }],
    ['fixed-field', {}, { at: 1, editedAt: now }],
    ['fixed-field', {}, { author: 'bob' }],
    ['fixed-field', {}, { text: '@bob', mentions: ['bob'], editedAt: now }],
    ['fixed-field', { mentions: ['bob'] }, { text: '', mentions: [], deletedAt: now }],
    ['fixed-field', {}, { reactions: {} }],
    ['server-field', {}, { seq: 1 }],
    ['server-field', {}, { receivedAt: now }],
    ['message-shape', {}, { colour: 'red' }],
    ['deleted-message', deleted, { text: 'new', editedAt: now }],
    ['foreign-message', byBob, { text: 'new', editedAt: now }],
    ['foreign-message', byBob, { text: 'hello' }],
    ['foreign-message', byBob, { author: 'ann' }],
  ])('breaks %s', (rule, before, changes) => {
    expect(editing(before, changes)).toBe(rule && `chat/${rule}`)
  })

  test.each<[string | undefined, PlainMessage, PlainMessage, ChatContext['level']]>([
    [undefined, {}, { text: '', deletedAt: now }, 'comment'],
    [undefined, { attachments: [] }, { text: '', attachments: [], deletedAt: now }, 'comment'],
    [undefined, deleted, { text: '', deletedAt: now }, 'comment'],
    [undefined, byBob, { text: '', deletedAt: now }, 'moderate'],
    ['foreign-message', byBob, { text: '', deletedAt: now }, 'write'],
    ['foreign-message', byBob, { text: 'edited', editedAt: now }, 'moderate'],
    ['deletion-keeps-content', {}, { deletedAt: now }, 'comment'],
    ['deletion-keeps-content', deleted, { text: 'back', deletedAt: now }, 'moderate'],
    ['deleted-message', deleted, { text: 'back', deletedAt: undefined }, 'moderate'],
    ['fixed-field', byBob, { text: '', deletedAt: now, editedAt: now }, 'moderate'],
    ['time-ahead', {}, { text: '', deletedAt: now + 60_001 }, 'comment'],
  ])('that deletes breaks %s', (rule, before, changes, level) => {
    expect(editing(before, changes, { level })).toBe(rule && `chat/${rule}`)
  })

  test('of reactions is of one’s own', () => {
    const react = (written: string[], reactions: Record<string, unknown>, old: Record<string, number> = {}) => {
      const before = message({ ...byBob, reactions: old })
      return broken({ before, after: { ...before, reactions }, written: new Set(), reactions: new Set(written) })
    }
    expect(react(['👍 ann'], { '👍 ann': now })).toBeUndefined()
    expect(react(['👍 ann'], {}, { '👍 ann': now })).toBeUndefined()
    expect(react(['👍 ann'], { '👍 ann': now + 60_001 })).toBe('chat/time-ahead')
    expect(react(['👍 ann'], { '👍 ann': 'now' })).toBe('chat/message-shape')
    expect(react(['👍 bob'], {}, { '👍 bob': now })).toBe('chat/foreign-reaction')
    expect(react(['👍 bob'], { '👍 bob': now }, { '👍 bob': now })).toBe('chat/foreign-reaction')
    expect(react(['👍 ann bob'], { '👍 ann bob': now })).toBe('chat/foreign-reaction')
    expect(react([' ann'], { ' ann': now })).toBe('chat/reaction-shape')
    const many = Object.fromEntries(
      Array.from({ length: 21 }, (_, index) => [`👍${'👍'.repeat(index % 7)}${index} ann`, now]),
    )
    expect(react([Object.keys(many)[0] ?? ''], many)).toBe('chat/too-many-reactions')
  })

  test('of others’ reactions counts only theirs', () => {
    const others = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`👍 user-${index}`, now]))
    const before = message({ ...byBob, reactions: others })
    const after = { ...before, reactions: { ...others, '👍 ann': now } }
    expect(broken({ before, after, written: new Set(), reactions: new Set(['👍 ann']) })).toBeUndefined()
  })
})
