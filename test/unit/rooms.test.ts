import { describe, expect, test } from 'vitest'
import { chatRoomOf, directChat, inboxOf, lobbyOf, roomOf, segmentName } from '../../model/rooms.ts'
import { type Level, parseGrant } from '../../server/access/grants.ts'
import { grantedIn, levelToChange } from '../../server/access/levels.ts'

describe('roomOf', () => {
  test.each([
    ['notes/plan', undefined],
    ['chats/plan', undefined],
    ['Chat/plan', undefined],
    ['notes/chat/plan@1', undefined],
    ['chat/plan', { kind: 'chat', room: 'chat/plan', segment: undefined, beside: 'plan' }],
    ['chat/notes/plan@12', { kind: 'chat', room: 'chat/notes/plan', segment: 12, beside: 'notes/plan' }],
    ['chat/chat', { kind: 'chat', room: 'chat/chat', segment: undefined, beside: 'chat' }],
    // No segment numbers: segments are counted from 1, without zeros in front.
    ['chat/plan@0', { kind: 'chat', room: 'chat/plan@0', segment: undefined, beside: 'plan@0' }],
    ['chat/plan@01', { kind: 'chat', room: 'chat/plan@01', segment: undefined, beside: 'plan@01' }],
    ['dm/ann,bob', { kind: 'dm', room: 'dm/ann,bob', segment: undefined, members: ['ann', 'bob'] }],
    ['dm/ann,ann', { kind: 'dm', room: 'dm/ann,ann', segment: undefined, members: ['ann', 'ann'] }],
    ['inboxes/ann', undefined],
    ['notes/inbox/ann', undefined],
    ['inbox/ann', { kind: 'inbox', room: 'inbox/ann', segment: undefined, user: 'ann' }],
    ['inbox/a%2Fb%401', { kind: 'inbox', room: 'inbox/a%2Fb%401', segment: undefined, user: 'a/b@1' }],
    ['lobby/team%20red', { kind: 'lobby', room: 'lobby/team%20red', segment: undefined, group: 'team red' }],
    ['chat/inbox', { kind: 'chat', room: 'chat/inbox', segment: undefined, beside: 'inbox' }],
    ['dm/a%2Cb,c%40d@3', { kind: 'dm', room: 'dm/a%2Cb,c%40d', segment: 3, members: ['a,b', 'c@d'] }],
  ])('%s', (name, room) => {
    expect(roomOf(name)).toEqual(room)
  })

  test.each([
    'chat',
    'dm',
    'chat/@1',
    'dm/@1',
    'dm/ann',
    'dm/ann,',
    'dm/,ann',
    'dm/bob,ann',
    'dm/ann,bob,cleo',
    'dm/ann,b ob',
    'dm/%61nn,bob',
    'dm/%zz,bob',
    'dm/ann/bob',
    'dm/ann%2cb,bob',
    // The head of this room would be a segment of chat/plan.
    'chat/plan@1@2',
    'chat/dm/ann,bob',
    'chat/inbox/ann',
    'chat/lobby/team',
    'inbox',
    'lobby',
    'inbox/',
    'inbox/ann/bob',
    'inbox/%61nn',
    'inbox/a b',
    'inbox/ann@1',
    'inbox/%zz',
    'inbox/a%2cb',
    'lobby/',
    'lobby/a/b',
    'lobby/%41',
    'lobby/ä',
    'chat/chat/plan',
  ])('%s is refused', (name) => {
    expect(() => roomOf(name)).toThrow(expect.objectContaining({ code: 'document/bad-name' }))
  })
})

test.each([
  ['ann', 'bob'],
  ['bob', 'ann'],
  ['a,b', 'c'],
  ['ü', 'a/b'],
  ['@1', '😀'],
  ['same', 'same'],
  ['A', 'a'],
])('the direct chat of %j and %j is theirs, whoever names it', (one, other) => {
  const name = directChat(one, other)
  expect(directChat(other, one)).toBe(name)
  const room = roomOf(segmentName(name, 7))
  expect(room).toMatchObject({ kind: 'dm', room: name, segment: 7 })
  expect(room?.kind === 'dm' && [...room.members].sort()).toEqual([one, other].sort())
})

test.each(['ann', 'ann@example.org', 'a/b', 'ü', '__proto__', '😀', 'a,b', '100%'])('inbox and lobby of %j', (name) => {
  expect(roomOf(inboxOf(name))).toMatchObject({ kind: 'inbox', user: name })
  expect(roomOf(lobbyOf(name))).toMatchObject({ kind: 'lobby', group: name })
  expect([inboxOf(name), lobbyOf(name), 'notes/plan'].map(chatRoomOf)).toEqual([undefined, undefined, undefined])
})

test('chat rooms are told from other rooms', () => {
  for (const name of ['chat/plan', 'chat/plan@2', 'dm/ann,bob']) expect(chatRoomOf(name)).toEqual(roomOf(name))
  expect(() => chatRoomOf('lobby/a/b')).toThrow(expect.objectContaining({ code: 'document/bad-name' }))
})

describe('grantedIn', () => {
  function level(document: string, access: Readonly<Record<string, Level>>, user = 'ann'): Level | undefined {
    const grants = Object.entries(access).map(([pattern, granted]) => parseGrant(pattern, granted))
    return grantedIn(document, { user, grants })
  }

  test.each<[string, Readonly<Record<string, Level>>, Level | undefined]>([
    ['notes/plan', { 'notes/*': 'write' }, 'write'],
    ['chat/notes/plan', { 'notes/*': 'write' }, 'write'],
    ['chat/notes/plan@3', { 'notes/*': 'comment' }, 'comment'],
    ['chat/notes/plan', { 'other/*': 'write' }, undefined],
    ['chat/notes/plan', { 'notes/*': 'read', 'chat/**': 'comment' }, 'comment'],
    ['chat/notes/plan', { 'notes/*': 'moderate', 'chat/**': 'read' }, 'moderate'],
    ['chat/notes/plan', { 'notes/*': 'read', 'chat/**': 'moderate' }, 'moderate'],
    // A grant of one segment is none of the room.
    ['chat/notes/plan@1', { 'chat/notes/plan@1': 'write' }, undefined],
    ['chat/plan@1', { 'plan@1': 'write' }, undefined],
    ['dm/ann,bob', {}, 'comment'],
    ['dm/ann,bob@2', { '**': 'moderate' }, 'comment'],
    ['dm/bob,cleo', { '**': 'moderate', 'dm/**': 'moderate' }, undefined],
    ['dm/Ann,bob', { '**': 'moderate' }, undefined],
    ['inbox/ann', {}, 'comment'],
    ['inbox/ann', { '**': 'moderate' }, 'comment'],
    ['inbox/bob', { '**': 'moderate', 'inbox/*': 'moderate' }, undefined],
    ['inbox/Ann', { '**': 'moderate' }, undefined],
    ['lobby/team', {}, undefined],
    ['lobby/team', { 'lobby/*': 'comment' }, 'comment'],
    ['lobby/team', { 'lobby/team': 'read', team: 'write' }, 'read'],
    ['lobby/team', { 'lobby/other': 'moderate' }, undefined],
  ])('%s with %j', (document, access, expected) => {
    expect(level(document, access)).toBe(expected)
  })

  test('is what one needs to change a document', () => {
    expect(levelToChange('notes/plan')).toBe('write')
    expect(levelToChange('chat/notes/plan@1')).toBe('comment')
    expect(levelToChange('dm/ann,bob')).toBe('comment')
    expect(levelToChange('inbox/ann')).toBe('comment')
    expect(levelToChange('lobby/team')).toBe('comment')
  })
})
