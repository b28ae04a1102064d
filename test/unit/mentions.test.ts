import { describe, expect, test } from 'vitest'
import { matching, mentionParts, queryBefore, stillMentioned } from '../../editor-demo/src/chat/mentions.ts'

const ada = { id: 'ada', name: 'Ada' }
const lovelace = { id: 'ada-2', name: 'Ada Lovelace' }
const zoe = { id: 'zoe', name: 'Zoë Ångström' }
const people = [ada, lovelace, zoe]

test.each([
  ['@', { start: 0, text: '' }],
  ['hello @ad', { start: 6, text: 'ad' }],
  ['(@Ada Lo', { start: 1, text: 'Ada Lo' }],
  ['@ada and @z', { start: 9, text: 'z' }],
  ['mail@ada', undefined],
  ['at @ 5', undefined],
  ['@ada\n', undefined],
  ['no name', undefined],
])('a name is being written in %j', (text, expected) => {
  expect(queryBefore(text, text.length)).toEqual(expected)
})

test.each([
  ['', ['ada', 'ada-2', 'zoe']],
  ['AD', ['ada', 'ada-2']],
  ['love', ['ada-2']],
  ['ada l', ['ada-2']],
  ['zoe ang', ['zoe']],
  ['velace', []],
  ['ada hello', []],
])('%j begins one of the names of', (query, expected) => {
  expect(matching(people, query).map(({ id }) => id)).toEqual(expected)
})

test.each([
  ['@Ada Lovelace, @Ada’s', ['@Ada Lovelace', '@Ada']],
  ['@Adam, x@Ada, @ada', []],
  ['@@Ada', ['@Ada']],
  ['(@Zoë Ångström)', ['@Zoë Ångström']],
])('in %j are called', (text, expected) => {
  const parts = mentionParts(text, people)
  expect(parts.filter(({ mentioned }) => mentioned).map((part) => part.text)).toEqual(expected)
  expect(parts.map((part) => part.text).join('')).toBe(text)
})

describe('whom a text still calls', () => {
  test('is who was chosen, as long as the name is whole', () => {
    expect(stillMentioned('@Ada Lovelace and @Ada', [lovelace, ada])).toEqual([lovelace, ada])
    expect(stillMentioned('@Ada Lovelac', [lovelace])).toEqual([])
    expect(stillMentioned('@Zoë Ångström, @Zoë Ångström', [zoe]), 'each once').toEqual([zoe])
    expect(stillMentioned('@Zoë Ångström', [ada]), 'not who was not chosen').toEqual([])
  })

  test('is each of two of the same name, if it stands there twice', () => {
    const other = { id: 'other', name: 'Ada' }
    expect(stillMentioned('@Ada @Ada', [ada, other])).toEqual([ada, other])
    expect(stillMentioned('@Ada', [ada, other])).toEqual([ada])
  })
})
