import { expect, test } from 'vitest'
import { documentIn, routeOf } from '../../editor-demo/src/route.ts'

test.each([
  ['/', { kind: 'document', name: 'notes/welcome' }],
  ['/d/notes/a%20b', { kind: 'document', name: 'notes/a b' }],
  ['/d/notes/a#message=m1', { kind: 'document', name: 'notes/a', chat: { message: 'm1' } }],
  ['/d/dm/ann%2Cben#message=m1', { kind: 'document', name: 'notes/open', chat: { partner: 'ben', message: 'm1' } }],
  ['/d/notes/a#message=', { kind: 'document', name: 'notes/a', chat: {} }],
  ['/d/notes/a#elsewhere', { kind: 'document', name: 'notes/a' }],
  ['/d/dm/ann,b%2520n#message=', { kind: 'document', name: 'notes/open', chat: { partner: 'b n' } }],
])('%s leads to what it names', (link, expected) => {
  expect(routeOf(new URL(link, 'http://page.invalid'), 'ann', 'notes/open')).toEqual(expected)
})

test.each(['/d/dm/ben%2Ccem', '/d/inbox/ann', '/d/lobby/demo', '/d/chat/notes/a', '/d/dm/ann', '/d/%', '/d/a//b'])(
  '%s leads nowhere',
  (link) => {
    expect(routeOf(new URL(link, 'http://page.invalid'), 'ann', 'notes/open')).toMatchObject({ kind: 'bad' })
  },
)

test('a document is told from a direct chat, and from what is elsewhere', () => {
  expect(documentIn('/d/notes/a#message=m1')).toBe('notes/a')
  expect(documentIn('/d/dm/ann%2Cben#message=m1')).toBeUndefined()
  expect(documentIn('https://example.org/d/notes/a')).toBeUndefined()
})
