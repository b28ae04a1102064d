import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import {
  addNotifications,
  dismissNotifications,
  markNotificationsRead,
  type Notification,
  notificationsIn,
  notificationsOf,
  unreadCount,
} from '../../model/inbox.ts'
import { InboxRules, inboxRefusal } from '../../server/rooms/inbox-rules.ts'
import { insertItem } from '../support/chat-forgery.ts'
import { GuardedDocument } from '../support/guarded-document.ts'

const hour = 60 * 60 * 1000

function notification(id: string, changes: Partial<Notification> = {}): Notification {
  return { id, kind: 'mention', title: 'Bob', body: 'hello @ann', link: '/d/plan', from: 'bob', at: 1, ...changes }
}

/** Ann's inbox with three notifications, the last one of which she has read. */
function inbox(): GuardedDocument {
  const guarded = new GuardedDocument(new InboxRules('ann'))
  addNotifications(
    guarded.ydoc,
    ['a', 'b', 'c'].map((id) => notification(id)),
  )
  expect(guarded.change('ann', (ydoc) => markNotificationsRead(ydoc, ['c']))).toBeUndefined()
  return guarded
}

type Edit = (ydoc: Y.Doc) => void

function at(ydoc: Y.Doc, index: number): Y.Map<unknown> {
  return notificationsOf(ydoc).get(index)
}

const sets =
  (index: number, key: string, value: unknown): Edit =>
  (ydoc) =>
    at(ydoc, index).set(key, value)

describe('the owner', () => {
  test('marks as read and dismisses, also both at once', () => {
    const guarded = inbox()
    expect(guarded.change('ann', (ydoc) => markNotificationsRead(ydoc, ['a', 'b', 'c', 'unknown']))).toBeUndefined()
    expect(unreadCount(notificationsIn(guarded.ydoc))).toBe(0)
    expect(guarded.change('ann', (ydoc) => dismissNotifications(ydoc, ['b', 'unknown']))).toBeUndefined()
    addNotifications(guarded.ydoc, [notification('d')])
    const both: Edit = (ydoc) => {
      markNotificationsRead(ydoc, ['d'])
      dismissNotifications(ydoc, ['a', 'd'])
    }
    expect(guarded.change('ann', both)).toBeUndefined()
    expect(notificationsIn(guarded.ydoc).map(({ id }) => id)).toEqual(['c'])
  })

  test('sends what was marked and dismissed before it was sent as one state', () => {
    const guarded = inbox()
    const replica = new Y.Doc()
    Y.applyUpdate(replica, Y.encodeStateAsUpdate(guarded.ydoc))
    markNotificationsRead(replica, ['a'])
    dismissNotifications(replica, ['a'])
    const update = Y.encodeStateAsUpdate(replica, Y.encodeStateVector(guarded.ydoc))
    expect(guarded.receive('ann', update)).toBeUndefined()
    expect(notificationsIn(guarded.ydoc).map(({ id }) => id)).toEqual(['b', 'c'])
  })

  test('may mark on two devices at once, and on one what another or the server removes', () => {
    const guarded = inbox()
    const [one, two] = [guarded.written(sets(0, 'readAt', 1)), guarded.written(sets(0, 'readAt', 2))]
    const marked = [guarded.written(sets(1, 'readAt', 1)), guarded.written(sets(1, 'readAt', 2))]
    const dismissed = guarded.written((ydoc) => dismissNotifications(ydoc, ['b', 'c']))
    expect([one, two].map((update) => guarded.receive('ann', update))).toEqual([undefined, undefined])
    expect(guarded.receive('ann', marked[0] ?? new Uint8Array())).toBeUndefined()
    expect(guarded.receive('ann', dismissed)).toBeUndefined()
    // Yjs has thrown away what it would be written into.
    expect(guarded.receive('ann', marked[1] ?? new Uint8Array())).toBeUndefined()
    expect(guarded.receive('ann', dismissed)).toBeUndefined()
    expect(notificationsIn(guarded.ydoc)).toEqual([notification('a', { readAt: expect.any(Number) })])
    const late = guarded.written(sets(0, 'title', 'forged'))
    dismissNotifications(guarded.ydoc, ['a'])
    expect(guarded.receive('ann', late)).toBeUndefined()
    expect(guarded.ydoc.getArray('notifications').toJSON()).toEqual([])
    const fresh = new Y.Doc()
    Y.applyUpdate(fresh, Y.encodeStateAsUpdate(guarded.ydoc))
    expect(notificationsIn(fresh)).toEqual([])
  })

  test('may mark twice on a device that does not know of another one', () => {
    const guarded = inbox()
    const twice = guarded.written((ydoc) => {
      at(ydoc, 0).set('readAt', 1)
      at(ydoc, 0).set('readAt', 2)
    })
    expect(guarded.change('ann', sets(0, 'readAt', 3))).toBeUndefined()
    expect(guarded.receive('ann', twice)).toBeUndefined()
  })

  const attacks: Record<string, [rule: string, edit: Edit]> = {
    'a notification of one’s own': ['inbox/server-field', (ydoc) => addNotifications(ydoc, [notification('x')])],
    'a notification in front': ['inbox/shape', (ydoc) => notificationsOf(ydoc).insert(0, [new Y.Map()])],
    'an empty notification': ['inbox/server-field', (ydoc) => notificationsOf(ydoc).push([new Y.Map()])],
    'a plain one': ['inbox/shape', (ydoc) => ydoc.getArray<unknown>('notifications').push([notification('x')])],
    'a text': ['inbox/shape', (ydoc) => ydoc.getArray<unknown>('notifications').push([new Y.Text('x')])],
    'a hook, which is a map too': [
      'inbox/shape',
      (ydoc) => ydoc.getArray<unknown>('notifications').push([new Y.XmlHook('x')]),
    ],
    'a subdocument': ['inbox/shape', (ydoc) => ydoc.getArray<unknown>('notifications').push([new Y.Doc()])],
    ...Object.fromEntries(
      ['id', 'kind', 'title', 'body', 'link', 'from', 'at', 'colour', 'constructor', ''].map((key) => [
        `writing ${JSON.stringify(key)}`,
        ['inbox/server-field', sets(0, key, 'forged')] as [string, Edit],
      ]),
    ),
    'a title as it is': ['inbox/server-field', sets(0, 'title', 'Bob')],
    'removing the title': ['inbox/server-field', (ydoc) => at(ydoc, 0).delete('title')],
    'a key named __proto__': ['inbox/shape', sets(0, '__proto__', { readAt: 1 })],
    'clearing one': ['inbox/server-field', (ydoc) => at(ydoc, 0).clear()],
    'reading again': ['inbox/already-read', sets(2, 'readAt', 1)],
    'reading again by way of removing': [
      'inbox/already-read',
      (ydoc) => {
        at(ydoc, 2).delete('readAt')
        at(ydoc, 2).set('readAt', 1)
      },
    ],
    unreading: ['inbox/read-time-shape', (ydoc) => at(ydoc, 2).delete('readAt')],
    'reading and unreading': [
      'inbox/read-time-shape',
      (ydoc) => {
        at(ydoc, 0).set('readAt', 1)
        at(ydoc, 0).delete('readAt')
      },
    ],
    ...Object.fromEntries(
      [-1, 1.5, '1', true, null, {}, [], Number.MAX_VALUE].map((value) => [
        `read at ${JSON.stringify(value)}`,
        ['inbox/read-time-shape', sets(0, 'readAt', value)] as [string, Edit],
      ]),
    ),
    'read at no number at all': ['inbox/shape', sets(0, 'readAt', Number.NaN)],
    'read at bytes': ['inbox/shape', sets(0, 'readAt', Uint8Array.of(1))],
    'read at a nested type': ['inbox/shape', sets(0, 'readAt', new Y.Map())],
    'read tomorrow': ['inbox/time-ahead', sets(0, 'readAt', Date.now() + 24 * hour)],
    'two values in one entry': [
      'inbox/shape',
      (ydoc) => insertItem(ydoc, at(ydoc, 0), { key: 'readAt' }, new Y.ContentAny([1, 2])),
    ],
    'a type hidden behind a good value': [
      'inbox/shape',
      (ydoc) => {
        ydoc.gc = false
        at(ydoc, 0).set('readAt', new Y.Text('hidden'))
        at(ydoc, 0).set('readAt', 1)
      },
    ],
    'a notification used as a list': [
      'inbox/shape',
      (ydoc) => insertItem(ydoc, at(ydoc, 0), {}, new Y.ContentAny(['x'])),
    ],
    'the list used as a map': [
      'inbox/shape',
      (ydoc) => insertItem(ydoc, notificationsOf(ydoc), { key: 'readAt' }, new Y.ContentAny([1])),
    ],
    'another root type': ['inbox/shape', (ydoc) => ydoc.getText('text').insert(0, 'x')],
    'a good change and a forged one': [
      'inbox/server-field',
      (ydoc) => {
        markNotificationsRead(ydoc, ['a'])
        at(ydoc, 1).set('link', 'https://evil.example')
      },
    ],
    'dismissing one and forging it': [
      'inbox/server-field',
      (ydoc) => {
        at(ydoc, 0).set('link', 'https://evil.example')
        dismissNotifications(ydoc, ['a'])
      },
    ],
  }

  test.each(Object.entries(attacks))('may not: %s', (_, [rule, edit]) => {
    const guarded = inbox()
    const before = Y.encodeStateAsUpdate(guarded.ydoc)
    expect(guarded.change('ann', edit)).toBe(rule)
    expect(Y.encodeStateAsUpdate(guarded.ydoc)).toEqual(before)
    // The refusal left nothing behind that would keep good changes out.
    expect(guarded.change('ann', (ydoc) => markNotificationsRead(ydoc, ['a']))).toBeUndefined()
  })
})

describe('anybody else', () => {
  test.each<[string, Edit]>([
    ['reads', (ydoc) => markNotificationsRead(ydoc, ['a'])],
    ['dismisses', (ydoc) => dismissNotifications(ydoc, ['a'])],
    ['adds', (ydoc) => addNotifications(ydoc, [notification('x')])],
  ])('%s nothing', (_, edit) => {
    for (const user of ['bob', 'Ann', '', 'ann ']) expect(inbox().change(user, edit)).toBe('inbox/foreign-inbox')
  })

  test('is refused whatever they do', () => {
    const nothing = { inserted: [], edited: [], removed: [] }
    expect(inboxRefusal(nothing, { owner: 'ann', user: 'bob', now: 1 })?.rule).toBe('inbox/foreign-inbox')
  })
})

test('the clock of a device may be a minute ahead', () => {
  const written = new Set(['readAt'])
  const refusal = (readAt: number) =>
    inboxRefusal(
      {
        inserted: [],
        edited: [{ before: {}, after: { readAt }, written, overwritten: new Set(), nested: new Set() }],
        removed: [],
      },
      { owner: 'ann', user: 'ann', now: 1_000_000 },
    )
  expect(refusal(1_060_000)).toBeUndefined()
  expect(refusal(1_060_001)?.rule).toBe('inbox/time-ahead')
})

test('notifications are read in the order of their times, as they are', () => {
  const ydoc = new Y.Doc()
  const { from: _from, ...fromNobody } = notification('first', { at: 1 })
  const all = [notification('third', { at: 3 }), notification('second', { at: 2, readAt: 5 }), fromNobody]
  addNotifications(ydoc, all)
  expect(notificationsIn(ydoc)).toEqual([...all].reverse())
  expect(unreadCount(notificationsIn(ydoc))).toBe(2)
})
