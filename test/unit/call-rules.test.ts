import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { actInCall, type CallAct, callActs, callsIn, callsOf, type NewCall, startCall } from '../../model/calls.ts'
import { newMessageId, readsOf } from '../../model/chat.ts'
import { CallLog } from '../../server/rooms/call-log.ts'
import { MAX_OPEN_CALLS } from '../../server/rooms/call-rules.ts'
import { HeadRules } from '../../server/rooms/head-rules.ts'
import { insertItem } from '../support/chat-forgery.ts'
import { GuardedDocument } from '../support/guarded-document.ts'

const everybody = new Set(['ann', 'bob', 'cleo', 'mallory'])

type Edit = (ydoc: Y.Doc) => void

const newCall = (changes: Partial<NewCall> = {}): NewCall => ({
  from: 'ann',
  to: ['bob'],
  media: 'audio',
  device: 'a1',
  ...changes,
})

/** A head with one call of ann's to bob, in which `acts` were done; the server has seen all of it. */
function head(acts: readonly [CallAct, string][] = [], call = newCall()): GuardedDocument {
  const guarded = new GuardedDocument(new HeadRules())
  const log = new CallLog()
  expect(guarded.change('ann', (ydoc) => startCall(ydoc, call))).toBeUndefined()
  log.advance(guarded.ydoc, everybody, Date.now())
  for (const [act, user] of acts) {
    expect(guarded.change(user, does(act, user))).toBeUndefined()
    log.advance(guarded.ydoc, everybody, Date.now())
  }
  return guarded
}

function callIn(ydoc: Y.Doc): Y.Map<unknown> {
  return callsOf(ydoc).get(0)
}

function actsIn(ydoc: Y.Doc): Y.Map<unknown> {
  const acts = callIn(ydoc).get('acts')
  return acts instanceof Y.Map ? acts : expect.unreachable()
}

function does(act: CallAct, user: string, device = 'd1'): Edit {
  return (ydoc) => actInCall(callIn(ydoc), act, user, device)
}

const writes =
  (key: string, value: unknown): Edit =>
  (ydoc) =>
    callIn(ydoc).set(key, value)

const acts =
  (key: string, value: unknown): Edit =>
  (ydoc) =>
    actsIn(ydoc).set(key, value)

/** Calls as mallory would, with `changes`; `undefined` leaves a field out. */
function calls(changes: Readonly<Record<string, unknown>>): Edit {
  return (ydoc) => {
    const fields = { id: newMessageId(), ...newCall({ from: 'mallory' }), acts: new Y.Map(), ...changes }
    callsOf(ydoc).push([new Y.Map(Object.entries(fields).filter(([, value]) => value !== undefined))])
  }
}

function expectRefused(guarded: GuardedDocument, user: string, edit: Edit, rule: string): void {
  const before = Y.encodeStateAsUpdate(guarded.ydoc)
  expect(guarded.change(user, edit)).toBe(rule)
  expect(Y.encodeStateAsUpdate(guarded.ydoc)).toEqual(before)
}

describe('a new call', () => {
  test.each<[string, Partial<NewCall>]>([
    ['to one', {}],
    ['with pictures', { media: 'video' }],
    ['to five', { to: ['a', 'b', 'c', 'd', 'e'] }],
    ['to somebody with a name of objects', { to: ['__proto__', 'constructor'] }],
    ['of a device with a long name', { device: 'x'.repeat(64) }],
  ])('%s rings', (_, changes) => {
    const [call] = callsIn(head([], newCall(changes)).ydoc)
    const to = changes.to ?? ['bob']
    expect(call).toMatchObject({ state: 'ringing', from: 'ann', to, at: expect.any(Number) })
    expect(call?.parties.map(({ user, state }) => [user, state])).toEqual([
      ['ann', 'joined'],
      ...to.map((user) => [user, 'ringing']),
    ])
  })

  const shapes: Readonly<Record<string, unknown>>[] = [
    ...['id', 'from', 'to', 'media', 'device', 'acts'].map((key) => ({ [key]: undefined })),
    ...['course', 'state', 'at', 'colour'].map((key) => ({ [key]: 1 })),
    { course: { state: 'answered', at: 1, parties: [{ user: 'ann', state: 'joined' }] } },
    { id: 'x' },
    { id: newMessageId().toUpperCase() },
    { id: crypto.randomUUID() },
    { to: [] },
    { to: 'ann' },
    { to: [1] },
    { to: [''] },
    { to: ['x'.repeat(256)] },
    { to: ['a', 'b', 'c', 'd', 'e', 'f'] },
    { to: Array.from({ length: 100_000 }, (_, index) => `user ${index}`) },
    { media: 'screen' },
    { media: null },
    { device: '' },
    { device: 'a b' },
    { device: 'x'.repeat(65) },
    { device: 1 },
    { from: null },
  ]
  test.each(shapes.map((changes) => [JSON.stringify(Object.entries(changes)).slice(0, 80), changes] as const))(
    'breaks call/shape: %s',
    (_, changes) => expectRefused(head(), 'mallory', calls(changes), 'call/shape'),
  )

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['foreign-caller', { from: 'ann' }],
    ['foreign-caller', { from: '__proto__' }],
    ['parties', { to: ['mallory'] }],
    ['parties', { to: ['ann', 'ann'] }],
    ['parties', { to: ['ann', 'mallory'] }],
    ['time-ahead', { id: newMessageId(Date.now() + 3_600_000) }],
  ])('breaks call/%s: %j', (rule, changes) => expectRefused(head(), 'mallory', calls(changes), `call/${rule}`))

  test('has an id that neither the room nor the update has', () => {
    const guarded = head()
    const id = callsIn(guarded.ydoc)[0]?.id
    expectRefused(guarded, 'mallory', calls({ id }), 'call/duplicate-id')
    const twice = calls({ id: newMessageId() })
    const both: Edit = (ydoc) => {
      const same = newMessageId()
      for (let copies = 0; copies < 2; copies += 1) calls({ id: same })(ydoc)
    }
    // As one change, which is judged as a whole.
    expectRefused(guarded, 'mallory', (ydoc) => ydoc.transact(() => both(ydoc)), 'call/duplicate-id')
    expect(guarded.change('mallory', twice)).toBeUndefined()
  })

  test('is one of few at the same time', () => {
    const guarded = head()
    for (let open = 0; open < MAX_OPEN_CALLS; open += 1) expect(guarded.change('mallory', calls({}))).toBeUndefined()
    expectRefused(guarded, 'mallory', calls({}), 'call/too-many')
    expect(guarded.change('bob', (ydoc) => startCall(ydoc, newCall({ from: 'bob', to: ['ann'] })))).toBeUndefined()
    new CallLog().advance(guarded.ydoc, everybody, Date.now())
    expectRefused(guarded, 'mallory', calls({}), 'call/too-many')
    new CallLog().advance(guarded.ydoc, everybody, Date.now() + 60_000)
    expect(guarded.change('mallory', calls({}))).toBeUndefined()
  })

  test('reaches nobody but the members of a direct chat', () => {
    const guarded = new GuardedDocument(new HeadRules(['ann', 'bob']))
    for (const to of [['cleo'], ['bob', 'cleo']]) {
      expectRefused(guarded, 'ann', (ydoc) => startCall(ydoc, newCall({ to })), 'call/parties')
    }
    expect(guarded.change('ann', (ydoc) => startCall(ydoc, newCall()))).toBeUndefined()
  })

  test('may be cancelled before it was sent, and is not answered by the caller', () => {
    const guarded = new GuardedDocument(new HeadRules())
    const cancelled: Edit = (ydoc) => {
      startCall(ydoc, newCall())
      does('cancel', 'ann')(ydoc)
    }
    expect(guarded.change('ann', cancelled)).toBeUndefined()
    new CallLog().advance(guarded.ydoc, everybody, 7)
    expect(callsIn(guarded.ydoc)[0]).toMatchObject({ state: 'cancelled', at: 7, endedAt: 7 })
    for (const key of ['answer ann', 'answer bob', 'decline bob', 'end ann']) {
      const forged = calls({ from: 'ann', to: ['bob'], acts: new Y.Map([[key, 'd1']]) })
      expect(guarded.change('ann', forged)).toMatch(/^call\/(not-called|foreign-act|not-answered)$/)
    }
  })
})

describe('an act', () => {
  const answered: [CallAct, string][] = [['answer', 'bob']]
  const before: Record<string, [CallAct, string][]> = {
    ringing: [],
    answered,
    declined: [['decline', 'bob']],
    cancelled: [['cancel', 'ann']],
    ended: [...answered, ['end', 'ann']],
    'declined, then cancelled': [
      ['decline', 'bob'],
      ['cancel', 'ann'],
    ],
  }
  /** What a party may do that has not seen all of it yet; nobody else may do anything. */
  const mayAct = (act: CallAct, user: string, wasAnswered: boolean): boolean => {
    if (act === 'cancel') return user === 'ann'
    if (act === 'end') return wasAnswered && user !== 'cleo'
    return user === 'bob'
  }
  const cases = Object.entries(before).flatMap(([state, done]) =>
    callActs.flatMap((act) => ['ann', 'bob', 'cleo'].map((user) => [act, user, state, done] as const)),
  )

  test.each(cases)('%s by %s in a call that is %s', (act, user, _, done) => {
    const guarded = head(done)
    const wasAnswered = done.some(([name]) => name === 'answer')
    const rule = guarded.change(user, does(act, user, 'd2'))
    if (mayAct(act, user, wasAnswered)) expect(rule).toBeUndefined()
    else expect(rule).toMatch(/^call\/(not-called|not-the-caller|not-answered)$/)
    // In nobody else's name.
    for (const other of ['ann', 'bob', 'cleo'].filter((name) => name !== user)) {
      expectRefused(guarded, user, does(act, other, 'd2'), 'call/foreign-act')
    }
  })

  test.each<[string, string, string | undefined]>([
    ['an end that was answered before it was seen', 'bob', undefined],
    ['an end without an answer', 'bob', 'call/not-answered'],
    ['an end of the caller without an answer', 'ann', 'call/not-answered'],
  ])('%s', (title, user, rule) => {
    const guarded = head()
    const edit: Edit = (ydoc) => {
      if (rule === undefined) does('answer', user)(ydoc)
      does('end', user)(ydoc)
    }
    expect(guarded.change(user, edit), title).toBe(rule)
  })

  test('in a group: who has not answered has nothing to end', () => {
    const guarded = head([['answer', 'bob']], newCall({ to: ['bob', 'cleo'] }))
    expectRefused(guarded, 'cleo', does('end', 'cleo'), 'call/not-answered')
    expect(guarded.change('ann', does('end', 'ann'))).toBeUndefined()
  })

  const attacks: Record<string, [rule: string, edit: Edit]> = {
    ...Object.fromEntries(
      ['id', 'from', 'to', 'media', 'device', 'course', 'x'].map((key) => [
        `writing ${key}`,
        ['call/fixed-field', writes(key, 1)] as [string, Edit],
      ]),
    ),
    ...Object.fromEntries(
      ['id', 'from', 'to', 'media', 'course'].map((key) => [
        `removing ${key}`,
        ['call/fixed-field', (ydoc: Y.Doc) => callIn(ydoc).delete(key)] as [string, Edit],
      ]),
    ),
    'the state as it is': ['call/fixed-field', writes('state', 'answered')],
    'skipping to the end': ['call/fixed-field', writes('state', 'ended')],
    'a forged time': ['call/fixed-field', writes('answeredAt', 1)],
    'the key __proto__': ['call/shape', writes('__proto__', { state: 'ended' })],
    'the key constructor': ['call/fixed-field', writes('constructor', 1)],
    'removing the call': ['call/shape', (ydoc) => callsOf(ydoc).delete(0)],
    'clearing the call': ['call/', (ydoc) => callIn(ydoc).clear()],
    'replacing the acts': ['call/shape', writes('acts', new Y.Map())],
    'replacing the acts by plain ones': ['call/shape', writes('acts', {})],
    'removing the acts': ['call/shape', (ydoc) => callIn(ydoc).delete('acts')],
    'clearing the acts': ['call/foreign-act', (ydoc) => actsIn(ydoc).clear()],
    'removing another’s act': ['call/foreign-act', (ydoc) => actsIn(ydoc).delete('answer bob')],
    'another’s act as it is': ['call/foreign-act', acts('answer bob', 'd1')],
    'removing one’s own act': [
      'call/act-removed',
      (ydoc) => {
        does('end', 'ann')(ydoc)
        actsIn(ydoc).delete('end ann')
      },
    ],
    'an act in nobody’s name': ['call/foreign-act', acts('end ', 'd1')],
    'an act of an unknown kind': ['call/act-shape', acts('hold ann', 'd1')],
    'an act without a name': ['call/act-shape', acts('', 'd1')],
    'an act named __proto__': ['call/shape', acts('__proto__', 'd1')],
    'an act named constructor': ['call/act-shape', acts('constructor', 'd1')],
    'an act on a device without a name': ['call/shape', acts('end ann', '')],
    'an act on a device with a huge name': ['call/shape', acts('end ann', 'x'.repeat(1_000_000))],
    'an act on no device': ['call/shape', acts('end ann', null)],
    'an act that is a number': ['call/shape', acts('end ann', 1)],
    'an act that is a type': ['call/shape', acts('end ann', new Y.Map())],
    'an act that is bytes': ['call/shape', acts('end ann', Uint8Array.of(1))],
    'an act that is a subdocument': ['call/shape', acts('end ann', new Y.Doc())],
    'a type hidden behind a good act': [
      'call/shape',
      (ydoc) => {
        ydoc.gc = false
        acts('end ann', new Y.Text('hidden'))(ydoc)
        acts('end ann', 'd1')(ydoc)
      },
    ],
    'two values in one act': [
      'call/shape',
      (ydoc) => insertItem(ydoc, actsIn(ydoc), { key: 'end ann' }, new Y.ContentAny(['d1', 'd2'])),
    ],
    'acts used as a list': ['call/shape', (ydoc) => insertItem(ydoc, actsIn(ydoc), {}, new Y.ContentAny(['d1']))],
    'a call in front': ['call/shape', (ydoc) => callsOf(ydoc).insert(0, [new Y.Map()])],
    'a plain call': ['call/shape', (ydoc) => ydoc.getArray<unknown>('calls').push([newCall()])],
    'a text as a call': ['call/shape', (ydoc) => ydoc.getArray<unknown>('calls').push([new Y.Text('x')])],
    'a hook as a call': ['call/shape', (ydoc) => ydoc.getArray<unknown>('calls').push([new Y.XmlHook('x')])],
    'the list of calls used as a map': [
      'call/shape',
      (ydoc) => insertItem(ydoc, callsOf(ydoc), { key: 'x' }, new Y.ContentAny(['x'])),
    ],
    'the read marks used as a list': [
      'chat/server-field',
      (ydoc) => insertItem(ydoc, readsOf(ydoc), {}, new Y.ContentAny([1])),
    ],
    'which segment is open': ['chat/server-field', (ydoc) => ydoc.getMap('room').set('segment', 2)],
    'another root type': ['chat/server-field', (ydoc) => ydoc.getMap('more').set('x', 1)],
    'a good act and another’s read mark': [
      'chat/foreign-read-mark',
      (ydoc) => {
        does('end', 'ann')(ydoc)
        readsOf(ydoc).set('bob', 1)
      },
    ],
    'a good read mark and another’s act': [
      'call/foreign-act',
      (ydoc) => {
        readsOf(ydoc).set('ann', 1)
        does('end', 'bob')(ydoc)
      },
    ],
  }

  test.each(Object.entries(attacks))('of ann’s may not be: %s', (_, [rule, edit]) => {
    const guarded = head(answered)
    const before = Y.encodeStateAsUpdate(guarded.ydoc)
    expect(guarded.change('ann', edit)).toContain(rule)
    expect(Y.encodeStateAsUpdate(guarded.ydoc)).toEqual(before)
    const good: Edit = (ydoc) => {
      readsOf(ydoc).set('ann', 1)
      does('end', 'ann')(ydoc)
    }
    expect(guarded.change('ann', good)).toBeUndefined()
  })
})
