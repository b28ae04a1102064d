import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import {
  actInCall,
  type Call,
  type CallAct,
  type CallState,
  callActs,
  callsIn,
  callsOf,
  startCall,
} from '../../model/calls.ts'
import { CallLog } from '../../server/rooms/call-log.ts'
import { HeadRules } from '../../server/rooms/head-rules.ts'
import { GuardedDocument } from '../support/guarded-document.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'

const start = 1_000_000

/** A room in which ann calls bob, and others if told, with a clock of its own. */
class CallRoom {
  readonly guarded = new GuardedDocument(new HeadRules())
  readonly here = new Set(['ann', 'bob', 'cleo', 'dan'])
  #log = new CallLog()
  now = start
  next: number | undefined

  constructor(to: readonly string[] = ['bob']) {
    expect(
      this.guarded.change('ann', (ydoc) => startCall(ydoc, { from: 'ann', to, media: 'video', device: 'a1' })),
    ).toBe(undefined)
    this.advance()
  }

  get call(): Call {
    return callsIn(this.guarded.ydoc)[0] ?? expect.unreachable()
  }

  /** What a device that has seen all does, to arrive later. */
  act(act: CallAct, user: string, device = `${user}1`): Uint8Array {
    return this.guarded.written((ydoc) => actInCall(callsOf(ydoc).get(0), act, user, device))
  }

  take(user: string, update: Uint8Array): string | undefined {
    return this.guarded.receive(user, update)
  }

  /** Acts that arrive one after the other, each seen by the server before the next. */
  do(...acts: readonly [CallAct, string][]): void {
    for (const [act, user] of acts) {
      expect(this.take(user, this.act(act, user))).toBeUndefined()
      this.advance()
    }
  }

  advance(ms = 0): void {
    this.now += ms
    this.next = this.#log.advance(this.guarded.ydoc, this.here, this.now).next
  }

  /** The server comes back with what it had stored. */
  restart(): void {
    this.#log = new CallLog()
  }

  parties(): Record<string, string> {
    return Object.fromEntries(this.call.parties.map(({ user, state }) => [user, state]))
  }
}

describe('a call of two', () => {
  test.each<[CallState, readonly [CallAct, string][]]>([
    ['ringing', []],
    ['answered', [['answer', 'bob']]],
    ['declined', [['decline', 'bob']]],
    ['cancelled', [['cancel', 'ann']]],
    [
      'ended',
      [
        ['answer', 'bob'],
        ['end', 'ann'],
      ],
    ],
    [
      'ended',
      [
        ['answer', 'bob'],
        ['end', 'bob'],
      ],
    ],
    [
      'ended',
      [
        ['answer', 'bob'],
        ['cancel', 'ann'],
      ],
    ],
    // What comes too late.
    [
      'cancelled',
      [
        ['cancel', 'ann'],
        ['answer', 'bob'],
        ['decline', 'bob'],
      ],
    ],
    [
      'declined',
      [
        ['decline', 'bob'],
        ['answer', 'bob'],
        ['cancel', 'ann'],
      ],
    ],
    [
      'answered',
      [
        ['answer', 'bob'],
        ['decline', 'bob'],
        ['answer', 'bob'],
      ],
    ],
    [
      'ended',
      [
        ['answer', 'bob'],
        ['end', 'bob'],
        ['end', 'ann'],
        ['answer', 'bob'],
        ['cancel', 'ann'],
      ],
    ],
  ])('is %s after %j', (state, acts) => {
    const room = new CallRoom()
    room.do(...acts)
    expect(room.call.state).toBe(state)
  })

  test('has the times of the server', () => {
    const room = new CallRoom()
    room.advance(7_000)
    room.do(['answer', 'bob'])
    room.advance(5_000)
    room.do(['end', 'bob'], ['end', 'ann'])
    expect(room.call).toMatchObject({
      at: start,
      answeredAt: start + 7_000,
      endedAt: start + 12_000,
      duration: 5_000,
      parties: [
        { user: 'ann', state: 'joined', device: 'a1' },
        { user: 'bob', state: 'left', device: 'bob1' },
      ],
    })
  })

  test('never lasts less than no time, whatever happens to the clock', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    room.advance(-60_000)
    room.do(['end', 'ann'])
    expect(room.call).toMatchObject({ state: 'ended', duration: 0 })
  })

  test('is missed after a minute, also when the server was away then', () => {
    for (const restarts of [false, true]) {
      const room = new CallRoom()
      expect(room.next).toBe(start + 60_000)
      room.advance(59_999)
      expect(room.call.state).toBe('ringing')
      if (restarts) room.restart()
      room.advance(restarts ? 3_600_000 : 1)
      expect(room.call).toMatchObject({ state: 'missed', endedAt: start + 60_000 })
      expect(room.call).not.toHaveProperty('duration')
      expect(room.next).toBeUndefined()
      room.do(['answer', 'bob'])
      expect(room.call.state).toBe('missed')
    }
  })

  test('does not ring for who is not there to answer it any longer than for others', () => {
    const room = new CallRoom()
    room.here.delete('bob')
    room.advance(59_999)
    expect(room.call.state).toBe('ringing')
    room.advance(1)
    expect(room.call.state).toBe('missed')
  })

  test('fails 30 s after a party vanished, unless it came back', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    room.here.delete('bob')
    room.advance()
    expect(room.next).toBe(start + 30_000)
    room.advance(29_999)
    room.here.add('bob')
    room.advance()
    expect(room.next).toBeUndefined()
    room.here.delete('bob')
    room.advance()
    room.advance(29_999)
    expect(room.call.state).toBe('answered')
    room.advance(1)
    expect(room.call).toMatchObject({ state: 'failed', duration: 59_999, endedAt: start + 59_999 })
    expect(room.parties()).toEqual({ ann: 'joined', bob: 'vanished' })
  })

  test('is cancelled where it is the caller who vanished before anybody answered', () => {
    const room = new CallRoom()
    room.here.delete('ann')
    room.advance()
    room.advance(30_000)
    expect(room.call).toMatchObject({ state: 'cancelled', endedAt: start + 30_000 })
  })

  test('fails after a restart of the server that nobody came back from', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    room.restart()
    room.here.clear()
    room.advance(10_000)
    expect(room.call.state).toBe('answered')
    expect(room.next).toBe(start + 40_000)
    room.advance(30_000)
    expect(room.call.state).toBe('failed')
  })

  test('has no duration where nobody knows when it ended: only one came back after a restart, days later', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    room.restart()
    room.here.delete('bob')
    room.advance(3 * 86_400_000)
    room.advance(30_000)
    expect(room.call.state).toBe('failed')
    expect(room.call).not.toHaveProperty('duration')
  })

  test('is remembered until a hundred later ones are over', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    const ids = Array.from({ length: 105 }, () => {
      room.now += 1
      let id = ''
      room.guarded.change('cleo', (ydoc) => {
        id = startCall(ydoc, { from: 'cleo', to: ['dan'], media: 'audio', device: 'c1' })
      })
      const { length } = callsOf(room.guarded.ydoc)
      expect(
        room.guarded.change('cleo', (ydoc) => actInCall(callsOf(ydoc).get(length - 1), 'cancel', 'cleo', 'c1')),
      ).toBeUndefined()
      room.advance()
      return id
    })
    // The one that goes on is older than all of them.
    expect(callsIn(room.guarded.ydoc).map(({ id }) => id)).toEqual([room.call.id, ...ids.slice(5)])
    room.do(['end', 'bob'])
    expect(callsIn(room.guarded.ydoc).map(({ id }) => id)).toEqual(ids.slice(5))
  })

  test('goes on after a restart from which both came back', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    room.restart()
    room.advance(3_600_000)
    expect(room.call.state).toBe('answered')
    expect(room.next).toBeUndefined()
  })

  test('takes up after a restart what had come before it and was not looked at', () => {
    const room = new CallRoom()
    expect(room.take('bob', room.act('answer', 'bob'))).toBeUndefined()
    room.restart()
    room.advance(1_000)
    expect(room.call).toMatchObject({ state: 'answered', answeredAt: start + 1_000 })
  })

  test('writes nothing where nothing has changed', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    let updates = 0
    room.guarded.ydoc.on('update', () => {
      updates += 1
    })
    room.advance(1_000)
    expect(updates).toBe(0)
    room.do(['end', 'bob'])
    expect(updates).toBe(2)
  })
})

describe('a call of several', () => {
  test('is answered by the first, declined by all, and over once fewer than two are left', () => {
    const room = new CallRoom(['bob', 'cleo', 'dan'])
    room.do(['decline', 'dan'])
    expect(room.call.state).toBe('ringing')
    room.do(['answer', 'cleo'])
    room.advance(1_000)
    room.do(['answer', 'bob'])
    expect(room.call.answeredAt).toBe(start)
    expect(room.parties()).toEqual({ ann: 'joined', bob: 'joined', cleo: 'joined', dan: 'declined' })
    room.do(['end', 'ann'])
    expect(room.call.state).toBe('answered')
    room.do(['end', 'cleo'])
    expect(room.call).toMatchObject({ state: 'ended', duration: 1_000 })
    expect(room.parties()).toEqual({ ann: 'left', bob: 'joined', cleo: 'left', dan: 'declined' })
  })

  test('that all decline is declined, and missed if one of them did not answer', () => {
    const declined = new CallRoom(['bob', 'cleo'])
    declined.do(['decline', 'bob'], ['decline', 'cleo'])
    expect(declined.call.state).toBe('declined')
    const missed = new CallRoom(['bob', 'cleo'])
    missed.do(['decline', 'bob'])
    missed.advance(60_000)
    expect(missed.call.state).toBe('missed')
    expect(missed.parties()).toEqual({ ann: 'joined', bob: 'declined', cleo: 'missed' })
  })

  test('stops ringing after a minute for who has not answered, and goes on', () => {
    const room = new CallRoom(['bob', 'cleo'])
    room.do(['answer', 'bob'])
    expect(room.next).toBe(start + 60_000)
    room.advance(60_000)
    expect(room.call.state).toBe('answered')
    expect(room.parties()).toEqual({ ann: 'joined', bob: 'joined', cleo: 'missed' })
    room.do(['answer', 'cleo'])
    expect(room.parties()).toMatchObject({ cleo: 'missed' })
  })

  test('that rings for others is over when the caller ends it for an answer that came too late', () => {
    const room = new CallRoom(['bob', 'cleo'])
    room.do(['decline', 'bob'], ['answer', 'bob'], ['end', 'ann'])
    expect(room.call.state).toBe('cancelled')
    room.do(['answer', 'cleo'])
    expect(room.call.state).toBe('cancelled')
  })

  test('goes on without who vanished', () => {
    const room = new CallRoom(['bob', 'cleo'])
    room.do(['answer', 'bob'], ['answer', 'cleo'])
    room.here.delete('ann')
    room.advance()
    room.advance(30_000)
    expect(room.parties()).toEqual({ ann: 'vanished', bob: 'joined', cleo: 'joined' })
    room.do(['end', 'bob'])
    expect(room.call.state).toBe('ended')
  })
})

describe('at the same time', () => {
  test('two devices of a user answer: one of them has the call, for all', () => {
    const room = new CallRoom()
    const [one, two] = [room.act('answer', 'bob', 'phone'), room.act('answer', 'bob', 'laptop')]
    expect([room.take('bob', one), room.take('bob', two)]).toEqual([undefined, undefined])
    room.advance()
    const device = room.call.parties[1]?.device
    expect(['phone', 'laptop']).toContain(device)
    expect(device).toBe(callsOf(room.guarded.ydoc).get(0).toJSON().acts['answer bob'])
  })

  test('two devices of a user answer: who was seen first keeps the call', () => {
    for (const order of [
      ['phone', 'laptop'],
      ['laptop', 'phone'],
    ]) {
      const room = new CallRoom()
      for (const update of order.map((device) => room.act('answer', 'bob', device))) {
        expect(room.take('bob', update)).toBeUndefined()
        room.advance()
      }
      expect(room.call.parties[1]).toEqual({ user: 'bob', state: 'joined', device: order[0] })
    }
  })

  test.each<[CallState, [CallAct, string], [CallAct, string], boolean]>([
    ['ended', ['answer', 'bob'], ['cancel', 'ann'], true],
    ['cancelled', ['cancel', 'ann'], ['answer', 'bob'], true],
    ['cancelled', ['answer', 'bob'], ['cancel', 'ann'], false],
    ['answered', ['answer', 'bob'], ['decline', 'bob'], true],
    ['declined', ['decline', 'bob'], ['answer', 'bob'], true],
    ['answered', ['decline', 'bob'], ['answer', 'bob'], false],
    ['cancelled', ['decline', 'bob'], ['cancel', 'ann'], false],
  ])('%s: %j and %j, the server looks between them: %s', (state, first, second, looks) => {
    const room = new CallRoom()
    const updates = [first, second].map(([act, user]) => [user, room.act(act, user)] as const)
    for (const [user, update] of updates) {
      expect(room.take(user, update)).toBeUndefined()
      if (looks) room.advance()
    }
    room.advance()
    expect(room.call.state).toBe(state)
  })

  test('both end it: once', () => {
    const room = new CallRoom()
    room.do(['answer', 'bob'])
    const updates = ['ann', 'bob'].map((user) => [user, room.act('end', user)] as const)
    for (const [user, update] of updates) {
      expect(room.take(user, update)).toBeUndefined()
      room.advance(1_000)
    }
    expect(room.call).toMatchObject({ state: 'ended', duration: 1_000 })
  })
})

/** The states as the issue of calls gives them: what may follow what. */
const follows: Record<CallState, readonly CallState[]> = {
  ringing: ['answered', 'declined', 'missed', 'cancelled'],
  answered: ['ended', 'failed'],
  declined: [],
  missed: [],
  cancelled: [],
  ended: [],
  failed: [],
}

/** A call as a table of parties, written without any of the code that it is compared with. */
class ReferenceCall {
  state: CallState = 'ringing'
  answers = new Set<string>()
  readonly #parties: Map<string, string>
  readonly #to: readonly string[]
  readonly #away = new Map<string, number>()

  constructor(to: readonly string[]) {
    this.#to = to
    this.#parties = new Map([['ann', 'in'], ...to.map((user) => [user, 'rings'] as const)])
  }

  /** Whether the server takes it at all. */
  accepts(act: CallAct, user: string, inNameOf: string): boolean {
    if (user !== inNameOf || !this.#parties.has(user)) return false
    if (act === 'cancel') return user === 'ann'
    if (act === 'end') return user === 'ann' ? this.answers.size > 0 : this.answers.has(user)
    return user !== 'ann'
  }

  /** An act that arrives alone. */
  act(act: CallAct, user: string): void {
    if (act === 'answer') this.answers.add(user)
    if (this.state !== 'ringing' && this.state !== 'answered') return
    const party = this.#parties.get(user)
    if ((act === 'cancel' || (act === 'end' && user === 'ann')) && this.state === 'ringing') this.state = 'cancelled'
    else if ((act === 'cancel' || act === 'end') && this.state === 'answered' && party === 'in')
      this.#out(user, 'ended')
    else if (act === 'answer' && party === 'rings') {
      this.#parties.set(user, 'in')
      this.state = 'answered'
    } else if (act === 'decline' && party === 'rings') {
      this.#parties.set(user, 'out')
      if (this.state === 'ringing' && this.#count('rings') === 0) this.state = 'declined'
    }
  }

  time(now: number, here: ReadonlySet<string>): void {
    if (now >= start + 60_000) {
      for (const user of this.#to) if (this.#parties.get(user) === 'rings') this.#parties.set(user, 'out')
      if (this.state === 'ringing') this.state = 'missed'
    }
    for (const [user, party] of this.#parties) {
      if (here.has(user) || party !== 'in') this.#away.delete(user)
      else if (!this.#away.has(user)) this.#away.set(user, now)
    }
    for (const [user, since] of [...this.#away].sort(([, left], [, right]) => left - right)) {
      if (now < since + 30_000) continue
      if (this.state === 'ringing' && user === 'ann') this.state = 'cancelled'
      else if (this.state === 'answered') this.#out(user, 'failed')
    }
  }

  #out(user: string, state: CallState): void {
    this.#parties.set(user, 'out')
    if (this.#count('in') < 2) this.state = state
  }

  #count(what: string): number {
    return [...this.#parties.values()].filter((party) => party === what).length
  }
}

function randomCall(random: Random): { steps: number; states: Set<CallState> } {
  const users = ['ann', 'bob', 'cleo', 'dan']
  const to = ['bob', 'cleo'].slice(0, 1 + random.int(2))
  const room = new CallRoom(to)
  const reference = new ReferenceCall(to)
  const waiting: { act: CallAct; user: string; inNameOf: string; update: Uint8Array }[] = []
  const states = new Set<CallState>([room.call.state])
  let steps = 0
  const look = () => {
    const before = room.call.state
    room.advance()
    reference.time(room.now, room.here)
    const after = room.call.state
    if (after !== before && !follows[before].includes(after)) {
      // Two steps that were found at once.
      expect(follows[before].some((between) => follows[between].includes(after))).toBe(true)
    }
    states.add(after)
    expect(after).toBe(reference.state)
    steps += 1
  }
  for (let step = 0; step < 40; step += 1) {
    const kind = random.int(10)
    if (kind < 3) {
      const user = random.pick(users)
      const inNameOf = random.chance(0.8) ? user : random.pick(users)
      const act = random.pick(callActs)
      // Written now, on a device that has seen all so far, and taken when it arrives.
      waiting.push({ act, user, inNameOf, update: room.act(act, inNameOf, `${user}${step}`) })
    } else if (kind < 7) {
      const [{ act, user, inNameOf, update }] =
        waiting.length > 0 ? waiting.splice(random.int(waiting.length), 1) : [{}]
      if (update === undefined || act === undefined || user === undefined || inNameOf === undefined) continue
      const accepts = reference.accepts(act, user, inNameOf)
      const rule = room.take(user, update)
      expect([rule === undefined, act, user, inNameOf, rule]).toEqual([accepts, act, user, inNameOf, rule])
      if (accepts) {
        reference.act(act, user)
        look()
      }
    } else if (kind < 9) {
      room.now += random.int(40_000)
      look()
    } else {
      const user = random.pick(users)
      if (!room.here.delete(user)) room.here.add(user)
      look()
    }
  }
  // Whoever loads it anew sees the same.
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(room.guarded.ydoc))
  expect(callsIn(copy)).toEqual(callsIn(room.guarded.ydoc))
  return { steps, states }
}

test.each(seedsFor([1, 3], 1))('[promise 3] random calls go as a simple model of them (SEED=%i)', (seed) => {
  const random = createRandom(seed)
  const seen = new Set<CallState>()
  let steps = 0
  for (let call = 0; call < (isSoak ? 2_000 : 150); call += 1) {
    const run = randomCall(random)
    steps += run.steps
    for (const state of run.states) seen.add(state)
  }
  expect([...seen].sort()).toEqual(Object.keys(follows).sort())
  expect(steps).toBeGreaterThan(500)
})
