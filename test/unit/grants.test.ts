import { describe, expect, test } from 'vitest'
import { allows, type Level, levelFor, levels, parseGrant } from '../../server/access/grants.ts'

function level(access: Record<string, Level>, document: string): Level | undefined {
  return levelFor(
    Object.entries(access).map(([pattern, granted]) => parseGrant(pattern, granted)),
    document,
  )
}

describe('patterns', () => {
  const cases: [pattern: string, document: string, matches: boolean][] = [
    ['notes', 'notes', true],
    ['notes', 'notes/plan', false],
    ['notes', 'my/notes', false],
    ['notes', 'Notes', false],
    ['notes/plan', 'notes/plan', true],
    ['notes/plan', 'notes/planet', false],
    ['*', 'notes', true],
    ['*', 'notes/plan', false],
    ['notes/*', 'notes/plan', true],
    ['notes/*', 'notes', false],
    ['notes/*', 'notes/a/b', false],
    ['notes/*', 'notesx/plan', false],
    ['*/plan', 'notes/plan', true],
    ['*/plan', 'a/notes/plan', false],
    ['*/*', 'notes/plan', true],
    ['*/*', 'notes', false],
    ['draft-*', 'draft-1', true],
    ['draft-*', 'draft-1/2', false],
    ['draft-*', 'xdraft-1', false],
    ['**', 'notes', true],
    ['**', 'a/b/c/d', true],
    ['notes/**', 'notes/a', true],
    ['notes/**', 'notes/a/b/c', true],
    ['notes/**', 'notesx/a', false],
    ['notes/**', 'x/notes/a', false],
    ['notes/**/plan', 'notes/plan', true],
    ['notes/**/plan', 'notes/a/plan', true],
    ['notes/**/plan', 'notes/a/b/plan', true],
    ['notes/**/plan', 'notes/xplan', false],
    ['**/plan', 'plan', true],
    ['**/plan', 'a/b/plan', true],
    ['**/plan', 'a/b/xplan', false],
    // What means something in a regular expression is a letter like any other.
    ['a.c', 'abc', false],
    ['a.c', 'a.c', true],
    ['(a|b)', 'a', false],
    ['(a|b)', '(a|b)', true],
    ['[a-z]', 'b', false],
    ['a+', 'aa', false],
    ['a?', 'a', false],
    ['^a$', 'a', false],
    ['^a$', '^a$', true],
    ['\\w', 'a', false],
    ['a{2}', 'aa', false],
    ['dm/ann,b%C3%B6b', 'dm/ann,b%C3%B6b', true],
    ['größe/*', 'größe/日本', true],
    ['*', '👍', true],
    ['', 'a', false],
  ]
  test.each(cases)('%s and %s: %s', (pattern, document, matches) => {
    expect(level({ [pattern]: 'read' }, document)).toBe(matches ? 'read' : undefined)
  })

  test('many wildcards cost no time', () => {
    // As a regular expression, either takes minutes.
    const document = `${'a/'.repeat(120)}b`
    expect(level({ [`${'**/'.repeat(60)}c`]: 'read' }, document)).toBeUndefined()
    expect(level({ ['*a'.repeat(60)]: 'read' }, 'a'.repeat(255))).toBe('read')
    expect(level({ [`${'*a'.repeat(60)}b`]: 'read' }, 'a'.repeat(255))).toBeUndefined()
  })

  test('`*` in the middle of a segment stands for at least one letter', () => {
    expect(level({ 'a*c': 'read' }, 'ac')).toBeUndefined()
    expect(level({ 'a*c': 'read' }, 'abcbc')).toBe('read')
    expect(level({ 'a*c*e': 'read' }, 'abcde')).toBe('read')
    expect(level({ 'a*c*e': 'read' }, 'abc/de')).toBeUndefined()
  })
})

describe('levels', () => {
  test('the highest that matches counts, in any order', () => {
    expect(level({ '**': 'read', 'notes/*': 'write' }, 'notes/plan')).toBe('write')
    expect(level({ 'notes/*': 'write', '**': 'read' }, 'notes/plan')).toBe('write')
    expect(level({ 'notes/*': 'write', '**': 'read' }, 'other')).toBe('read')
    expect(level({ 'notes/*': 'comment', 'notes/plan': 'moderate' }, 'notes/plan')).toBe('moderate')
    expect(level({}, 'notes/plan')).toBeUndefined()
  })

  test('each includes those before it', () => {
    for (const [index, granted] of levels.entries()) {
      for (const [other, needed] of levels.entries()) expect(allows(granted, needed)).toBe(index >= other)
      expect(allows(undefined, granted)).toBe(false)
    }
  })
})
