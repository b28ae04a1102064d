import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { entriesOf, type LobbyDevice, lastSeenOf, membersIn, setLobbyEntry } from '../../model/lobby.ts'
import { LobbyRules } from '../../server/rooms/lobby-rules.ts'
import { insertItem } from '../support/chat-forgery.ts'
import { GuardedDocument } from '../support/guarded-document.ts'

function lobby(): GuardedDocument {
  const guarded = new GuardedDocument(new LobbyRules())
  expect(guarded.change('ann', (ydoc) => setLobbyEntry(ydoc, 'ann', { status: 'busy', activity: 'in a call' }))).toBe(
    undefined,
  )
  expect(guarded.change('bob', (ydoc) => setLobbyEntry(ydoc, 'bob', { status: 'online' }))).toBeUndefined()
  lastSeenOf(guarded.ydoc).set('bob', 5)
  return guarded
}

type Edit = (ydoc: Y.Doc) => void

const says =
  (value: unknown): Edit =>
  (ydoc) =>
    ydoc.getMap('entries').set('bob', value)

describe('everybody', () => {
  test('writes, changes and removes their own entry', () => {
    const guarded = lobby()
    for (const status of ['online', 'away', 'busy'] as const) {
      expect(guarded.change('bob', (ydoc) => setLobbyEntry(ydoc, 'bob', { status }))).toBeUndefined()
      expect(entriesOf(guarded.ydoc).get('bob')).toEqual({ status })
    }
    expect(guarded.change('bob', says({ status: 'online', activity: '👩‍💻'.repeat(46) }))).toBeUndefined()
    const twice: Edit = (ydoc) => {
      says({ status: 'away' })(ydoc)
      says({ status: 'busy', activity: '' })(ydoc)
    }
    expect(guarded.change('bob', twice)).toBeUndefined()
    expect(guarded.change('bob', (ydoc) => entriesOf(ydoc).delete('bob'))).toBeUndefined()
    expect([...entriesOf(guarded.ydoc).keys()]).toEqual(['ann'])
  })

  test('writes on two devices at once: one of both stays', () => {
    const guarded = lobby()
    const updates = ['one', 'two'].map((activity) => guarded.written(says({ status: 'online', activity })))
    expect(updates.map((update) => guarded.receive('bob', update))).toEqual([undefined, undefined])
    const other = new Y.Doc()
    for (const update of [...updates].reverse()) Y.applyUpdate(other, update)
    Y.applyUpdate(other, Y.encodeStateAsUpdate(guarded.ydoc))
    expect(entriesOf(other).get('bob')).toEqual(entriesOf(guarded.ydoc).get('bob'))
  })

  test('has names that objects have, too', () => {
    for (const user of ['__proto__', 'constructor', 'toString']) {
      const guarded = lobby()
      expect(guarded.change(user, (ydoc) => setLobbyEntry(ydoc, user, { status: 'busy' }))).toBeUndefined()
      expect(membersIn(guarded.ydoc, []).map((member) => member.user)).toContain(user)
    }
  })

  const attacks: Record<string, [rule: string, edit: Edit]> = {
    'an entry of another': ['lobby/foreign-entry', (ydoc) => setLobbyEntry(ydoc, 'ann', { status: 'online' })],
    'another’s entry as it is': [
      'lobby/foreign-entry',
      (ydoc) => setLobbyEntry(ydoc, 'ann', { status: 'busy', activity: 'in a call' }),
    ],
    'removing another’s entry': ['lobby/foreign-entry', (ydoc) => entriesOf(ydoc).delete('ann')],
    'an entry of nobody': ['lobby/foreign-entry', (ydoc) => setLobbyEntry(ydoc, '__proto__', { status: 'online' })],
    'an entry of the empty name': ['lobby/foreign-entry', (ydoc) => setLobbyEntry(ydoc, '', { status: 'online' })],
    'removing all': ['lobby/foreign-entry', (ydoc) => entriesOf(ydoc).clear()],
    'when one was last seen': ['lobby/server-field', (ydoc) => lastSeenOf(ydoc).set('bob', 6)],
    'when one was last seen, as it is': ['lobby/server-field', (ydoc) => lastSeenOf(ydoc).set('bob', 5)],
    'when another was last seen': ['lobby/server-field', (ydoc) => lastSeenOf(ydoc).set('ann', 6)],
    'removing when one was last seen': ['lobby/server-field', (ydoc) => lastSeenOf(ydoc).delete('bob')],
    'lastSeen in an entry': ['lobby/entry-shape', says({ status: 'online', lastSeen: 9 })],
    'another root type': ['lobby/server-field', (ydoc) => ydoc.getText('text').insert(0, 'x')],
    'the entries used as a list': [
      'lobby/server-field',
      (ydoc) => insertItem(ydoc, entriesOf(ydoc), {}, new Y.ContentAny([{ status: 'online' }])),
    ],
    'two values in one entry': [
      'lobby/entry-shape',
      (ydoc) =>
        insertItem(
          ydoc,
          entriesOf(ydoc),
          { key: 'bob', left: entriesOf(ydoc)._map.get('bob') ?? null },
          new Y.ContentAny([{ status: 'online' }, { status: 'online' }]),
        ),
    ],
    'a nested type': ['lobby/entry-shape', says(new Y.Map())],
    'a type with contents': ['lobby/server-field', says(new Y.Text('x'))],
    'a subdocument': ['lobby/entry-shape', says(new Y.Doc())],
    bytes: ['lobby/entry-shape', says(Uint8Array.of(1))],
    'a wrong value behind a good one': [
      'lobby/entry-shape',
      (ydoc) => {
        ydoc.gc = false
        says('hidden')(ydoc)
        ydoc.transact(() => says({ status: 'online' })(ydoc))
      },
    ],
    'a good entry and a forged one': [
      'lobby/foreign-entry',
      (ydoc) => {
        says({ status: 'online' })(ydoc)
        setLobbyEntry(ydoc, 'ann', { status: 'away' })
      },
    ],
    ...Object.fromEntries(
      [
        null,
        'online',
        1,
        [],
        {},
        { status: 'offline' },
        { status: 'Online' },
        { status: null },
        { activity: 'x' },
        { status: 'online', colour: 'red' },
        { status: 'online', activity: null },
        { status: 'online', activity: 1 },
        { status: 'online', activity: 'x'.repeat(141) },
        { status: 'online', activity: '😀'.repeat(141) },
        { status: 'online', activity: 'x'.repeat(1_000_000) },
        { status: 'online', activity: 'two\nlines' },
        { status: 'online', activity: 'two\u2028lines' },
      ].map((value) => [
        `the entry ${JSON.stringify(value).slice(0, 60)}`,
        ['lobby/entry-shape', says(value)] as [string, Edit],
      ]),
    ),
    'a constructor inside': [
      'lobby/entry-shape',
      (ydoc) =>
        insertItem(
          ydoc,
          entriesOf(ydoc),
          { key: 'bob', left: entriesOf(ydoc)._map.get('bob') ?? null },
          new Y.ContentAny([{ status: 'online', constructor: { prototype: 1 } }]),
        ),
    ],
    'a __proto__ inside': [
      'lobby/entry-shape',
      says(
        Object.fromEntries([
          ['status', 'online'],
          ['__proto__', { activity: 'x' }],
        ]),
      ),
    ],
  }

  test.each(Object.entries(attacks))('may not write %s', (_, [rule, edit]) => {
    const guarded = lobby()
    const before = Y.encodeStateAsUpdate(guarded.ydoc)
    expect(guarded.change('bob', edit)).toBe(rule)
    expect(Y.encodeStateAsUpdate(guarded.ydoc)).toEqual(before)
    expect(guarded.change('bob', says({ status: 'online' }))).toBeUndefined()
  })
})

describe('the members', () => {
  const device = (user: string, isIdle = false): LobbyDevice => ({ user, isIdle })

  function statuses(devices: readonly LobbyDevice[]): Record<string, string> {
    const ydoc = new Y.Doc()
    setLobbyEntry(ydoc, 'ann', { status: 'busy' })
    setLobbyEntry(ydoc, 'bob', { status: 'online' })
    setLobbyEntry(ydoc, 'cleo', { status: 'away' })
    lastSeenOf(ydoc).set('dan', 7)
    return Object.fromEntries(membersIn(ydoc, devices).map(({ user, status }) => [user, status]))
  }

  test('are those who said something, were seen or are there', () => {
    const everybody = { ann: 'offline', bob: 'offline', cleo: 'offline', dan: 'offline' }
    expect(statuses([])).toEqual(everybody)
    expect(statuses([device('eve'), device('dan')])).toEqual({ ...everybody, dan: 'online', eve: 'online' })
  })

  test('are away once all their devices are idle, unless they said otherwise', () => {
    expect(statuses([device('bob', true)])).toMatchObject({ bob: 'away' })
    expect(statuses([device('bob', true), device('bob'), device('bob', true)])).toMatchObject({ bob: 'online' })
    expect(statuses([device('ann', true), device('cleo')])).toMatchObject({ ann: 'busy', cleo: 'away' })
  })

  test('have what they do, and when they were last seen', () => {
    const ydoc = new Y.Doc()
    setLobbyEntry(ydoc, 'bob', { status: 'online', activity: 'lunch' })
    lastSeenOf(ydoc).set('bob', 7)
    setLobbyEntry(ydoc, 'ann', { status: 'online', activity: '' })
    expect(membersIn(ydoc, [device('ann')])).toEqual([
      { user: 'ann', status: 'online' },
      { user: 'bob', status: 'offline', activity: 'lunch', lastSeen: 7 },
    ])
  })
})
