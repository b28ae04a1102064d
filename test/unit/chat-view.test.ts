import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { rowsOf, unreadCount } from '../../editor-demo/src/chat/message-list.ts'
import { NewLine } from '../../editor-demo/src/chat/new-line.ts'
import { redoOwnChanges } from '../../editor-demo/src/chat/own-changes.ts'
import { textParts } from '../../editor-demo/src/chat/text-parts.ts'
import { Typing } from '../../editor-demo/src/chat/typing.ts'
import { type ChatMessage, deleteMessage, editMessage, messagesOf, sendMessage, setReaction } from '../../model/chat.ts'

const NOON = new Date(2026, 4, 7, 12).getTime()
const MINUTE = 60_000

let number = 0
function message(author: string, fields: Partial<ChatMessage> = {}): ChatMessage {
  number += 1
  return { id: `id-${number}`, author, at: NOON, text: `text ${number}`, reactions: {}, ...fields }
}

function rows(messages: readonly ChatMessage[], input: Partial<Parameters<typeof rowsOf>[0]> = {}) {
  return rowsOf({ messages, self: 'ann', reads: {}, newAfter: 0, kept: true, problems: {}, ...input })
}

describe('the list of messages', () => {
  test('parts days, and names an author once for what they say in a row', () => {
    const list = rows([
      message('ben', { seq: 1, receivedAt: NOON }),
      message('ben', { seq: 2, receivedAt: NOON + MINUTE }),
      message('ann', { seq: 3, receivedAt: NOON + 2 * MINUTE }),
      message('ann', { seq: 4, receivedAt: NOON + 20 * MINUTE }),
      message('ann', { seq: 5, receivedAt: NOON + 24 * 60 * MINUTE }),
    ])
    expect(list.map((row) => row.startsGroup)).toEqual([true, false, true, true, true])
    expect(list.map((row) => row.startsDay)).toEqual([true, false, false, false, true])
  })

  test('a tick tells: on its way, kept here, stored, read by everybody who has ever read here', () => {
    const [waiting, stored] = [message('ann'), message('ann', { seq: 7 })]
    const tick = (of: ChatMessage, input: Parameters<typeof rows>[1]) => rows([of], input)[0]?.tick
    expect(tick(waiting, { kept: false })).toBe('sending')
    expect(tick(waiting, { kept: true })).toBe('kept')
    expect(tick(stored, {})).toBe('stored')
    expect(tick(stored, { reads: { ann: 7 } }), 'oneself does not count').toBe('stored')
    expect(tick(stored, { reads: { ben: 7, cem: 6 } })).toBe('stored')
    expect(tick(stored, { reads: { ben: 7, cem: 9 } })).toBe('read')
    expect(tick(message('ben', { seq: 1 }), {}), 'not on others’ messages').toBeUndefined()
    expect(tick(message('ann', { seq: 1, deletedAt: NOON, text: '' }), {})).toBeUndefined()
  })

  test('the line stands above the first new message of somebody else', () => {
    const messages = [1, 2, 3, 4].map((seq) => message(seq === 2 ? 'ann' : 'ben', { seq }))
    const firstNew = (newAfter: number) => rows(messages, { newAfter }).find((row) => row.isFirstNew)?.message.seq
    expect(firstNew(1)).toBe(3)
    expect(firstNew(4)).toBeUndefined()
    expect(firstNew(0), 'where nothing was ever read, all is new and a line says nothing').toBeUndefined()
  })

  test('unread: of others, above the mark, not deleted, and all that is not loaded', () => {
    const messages = [
      message('ben', { seq: 11 }),
      message('ann', { seq: 12 }),
      message('ben', { seq: 13, deletedAt: NOON }),
      message('cem', { seq: 14 }),
      message('ann'),
    ]
    expect(unreadCount(messages, 14, 'ann')).toBe(0)
    expect(unreadCount(messages, 11, 'ann')).toBe(1)
    expect(unreadCount(messages, 10, 'ann')).toBe(2)
    expect(unreadCount(messages, 6, 'ann')).toBe(6)
    expect(unreadCount([], 0, 'ann')).toBe(0)
  })

  test('reactions are gathered by emoji, in the order in which each was first used', () => {
    const reactions = { '👍 ben': 5, '🎉 a b': 3, '👍 ann': 9 }
    expect(rows([message('ben', { reactions })])[0]?.reactions).toEqual([
      { emoji: '🎉', users: ['a b'], isOwn: false },
      { emoji: '👍', users: ['ben', 'ann'], isOwn: true },
    ])
  })
})

describe('the line above new messages', () => {
  const upTo = (last: number, author = 'ben') =>
    Array.from({ length: last }, (_, index) => message(author, { seq: index + 1 }))

  test('stands where reading ended, and stays while one reads on', () => {
    const line = new NewLine('ann')
    line.follow({ messages: upTo(5), mark: 3, reading: false })
    expect(line.after).toBe(3)
    line.follow({ messages: upTo(5), mark: 3, reading: true })
    line.follow({ messages: upTo(6), mark: 5, reading: true })
    expect(line.after).toBe(3)
    line.reset()
    line.follow({ messages: upTo(6), mark: 6, reading: true })
    expect(line.after, 'looked at anew').toBe(6)
  })

  test('what arrives while one reads is no news; what arrives while one is away or offline is', () => {
    const line = new NewLine('ann')
    line.follow({ messages: upTo(2), mark: 2, reading: true })
    line.follow({ messages: upTo(3), mark: 2, reading: true })
    expect(line.after).toBe(3)
    line.follow({ messages: upTo(3), mark: 3, reading: false })
    line.follow({ messages: upTo(5), mark: 3, reading: false })
    line.follow({ messages: upTo(5), mark: 3, reading: true })
    expect(line.after).toBe(3)
  })

  test('goes when one answers', () => {
    const line = new NewLine('ann')
    line.follow({ messages: upTo(5), mark: 3, reading: true })
    line.passAll()
    expect(line.after).toBe(5)
  })
})

describe('addresses in a text', () => {
  test.each([
    ['see https://example.org/a.', [['see '], ['https://example.org/a', 'https://example.org/a'], ['.']]],
    ['(http://example.org/a_(b))', [['('], ['http://example.org/a_(b)', 'http://example.org/a_(b)'], [')']]],
    ['HTTPS://EXAMPLE.ORG', [['HTTPS://EXAMPLE.ORG', 'https://example.org/']]],
    ['javascript:alert(1) and https:// and <b>', [['javascript:alert(1) and https:// and <b>']]],
    ['"https://example.org/"', [['"'], ['https://example.org/', 'https://example.org/'], ['"']]],
    ['', []],
  ])('%s', (text, expected) => {
    expect(textParts(text).map(({ text, href }) => (href === undefined ? [text] : [text, href]))).toEqual(expected)
    expect(
      textParts(text)
        .map((part) => part.text)
        .join(''),
    ).toBe(text)
  })
})

describe('typing', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('is shown once, and ends three seconds after the last key', () => {
    const frames: [boolean, number][] = []
    const start = performance.now()
    const typing = new Typing((shown) => frames.push([shown, performance.now() - start]))
    for (let key = 0; key < 50; key++) {
      typing.key()
      vi.advanceTimersByTime(100)
    }
    vi.advanceTimersByTime(10_000)
    expect(frames).toEqual([
      [true, 0],
      [false, 4_900 + 3_000],
    ])
  })

  test('sends at most one frame a second, whatever one does, and the last one is true', () => {
    const frames: number[] = []
    let shown = false
    const typing = new Typing((now) => {
      shown = now
      frames.push(performance.now())
    })
    for (let message = 0; message < 40; message++) {
      typing.key()
      vi.advanceTimersByTime(70)
      typing.stop()
      vi.advanceTimersByTime(50)
    }
    typing.stop()
    vi.advanceTimersByTime(10_000)
    expect(shown).toBe(false)
    expect(frames.length).toBeGreaterThan(2)
    for (const [index, at] of frames.entries()) {
      if (index > 0) expect(at - (frames[index - 1] ?? 0)).toBeGreaterThanOrEqual(1_000)
    }
  })
})

describe('changes that were lost with something refused', () => {
  /** Two copies of a segment with one message of Ann's; `change` happens to the first one only. */
  function copies(change: (message: Y.Map<unknown>) => void) {
    const [mine, fresh] = [new Y.Doc(), new Y.Doc()]
    sendMessage(mine, 'ann', { text: 'before' })
    setReaction(messagesOf(mine).get(0), '👍', 'ann', true)
    Y.applyUpdate(fresh, Y.encodeStateAsUpdate(mine))
    change(messagesOf(mine).get(0))
    const message = messagesOf(fresh).get(0)
    return { wanted: messagesOf(mine).get(0).toJSON() as ChatMessage, message }
  }

  test('edits, deletions and reactions of one’s own are made again', () => {
    const edited = copies((message) => editMessage(message, 'after'))
    redoOwnChanges(edited.message, edited.wanted, 'ann')
    expect(edited.message.get('text')).toBe('after')

    const deleted = copies(deleteMessage)
    redoOwnChanges(deleted.message, deleted.wanted, 'ann')
    expect(deleted.message.toJSON()).toMatchObject({ text: '', deletedAt: expect.any(Number) })

    const reacted = copies((message) => {
      setReaction(message, '🎉', 'ann', true)
      setReaction(message, '👍', 'ann', false)
    })
    redoOwnChanges(reacted.message, reacted.wanted, 'ann')
    expect(reacted.message.toJSON().reactions).toEqual({ '🎉 ann': expect.any(Number) })
  })

  test('what others did is left to them, and a deleted message stays as it is', () => {
    const others = copies((message) => {
      editMessage(message, 'after')
      setReaction(message, '🎉', 'ann', true)
    })
    redoOwnChanges(others.message, others.wanted, 'ben')
    expect(others.message.toJSON()).toMatchObject({ text: 'before', reactions: { '👍 ann': expect.any(Number) } })

    const gone = copies((message) => editMessage(message, 'after'))
    deleteMessage(gone.message)
    const before = gone.message.toJSON()
    redoOwnChanges(gone.message, gone.wanted, 'ann')
    expect(gone.message.toJSON()).toEqual(before)
  })
})
