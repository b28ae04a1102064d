import { describe, expect, test } from 'vitest'
import { rowsOf } from '../../editor-demo/src/chat/message-list.ts'
import { textParts } from '../../editor-demo/src/chat/text-parts.ts'
import type { ChatMessage } from '../../model/chat.ts'

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

  test('reactions are gathered by emoji, in the order in which each was first used', () => {
    const reactions = { '👍 ben': 5, '🎉 a b': 3, '👍 ann': 9 }
    expect(rows([message('ben', { reactions })])[0]?.reactions).toEqual([
      { emoji: '🎉', users: ['a b'], isOwn: false },
      { emoji: '👍', users: ['ben', 'ann'], isOwn: true },
    ])
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
