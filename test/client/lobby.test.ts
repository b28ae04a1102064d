import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Lobby, LobbyPerson } from '../../client/api.ts'
import type { Clock } from '../../client/lobby/clock.ts'
import { LobbyHandle } from '../../client/lobby/lobby-handle.ts'
import { IDLE_AFTER_MS, LEAVE_GRACE_MS, setLobbyEntry } from '../../model/lobby.ts'
import { lobbyOf } from '../../model/rooms.ts'
import { closeSessions, openSession, whenState } from '../support/client-session.ts'
import { CountedDocuments } from '../support/counted-documents.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let group = ''
let groups = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

beforeEach(() => {
  groups += 1
  group = `group ${groups}`
})

afterEach(closeSessions)

/** Time that passes when a test says so. */
class TestClock implements Clock {
  #now = 1_000_000
  readonly #due = new Map<() => void, number>()

  now(): number {
    return this.#now
  }

  after(delayMs: number, act: () => void): () => void {
    const call = () => act()
    this.#due.set(call, this.#now + delayMs)
    return () => this.#due.delete(call)
  }

  pass(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = [...this.#due].filter(([, at]) => at <= end).sort(([, one], [, other]) => one - other)
      if (next === undefined) break
      this.#now = next[1]
      this.#due.delete(next[0])
      next[0]()
    }
    this.#now = end
  }
}

function whenMembers(lobby: Lobby, condition: (members: readonly LobbyPerson[]) => boolean): Promise<unknown> {
  return whenState(lobby.state, ({ members }) => condition(members))
}

function whenStatus(lobby: Lobby, user: string, status: string): Promise<unknown> {
  return whenMembers(lobby, (members) => members.some((member) => member.user === user && member.status === status))
}

function memberOf(lobby: Lobby, user: string): LobbyPerson | undefined {
  return lobby.state.get().members.find((member) => member.user === user)
}

describe('a lobby', () => {
  test('shows who is online, with what they say about themselves', async () => {
    const ann = openSession(server, { tokenOptions: { name: 'Ann' } }).lobby(group)
    const ben = openSession(server, { as: 'ben', tokenOptions: { name: 'Ben' } }).lobby(group)
    await Promise.all([whenStatus(ann, 'ben', 'online'), whenStatus(ben, 'ann', 'online')])
    expect(ann.state.get()).toMatchObject({ ready: true, readOnly: false, status: { kind: 'online' } })
    expect(ann.state.get().members).toEqual([
      { user: 'ann', name: 'Ann', self: true, status: 'online' },
      { user: 'ben', name: 'Ben', self: false, status: 'online' },
    ])
    ben.setActivity('in the workshop')
    ben.setStatus('busy')
    await whenStatus(ann, 'ben', 'busy')
    expect(memberOf(ann, 'ben')?.activity).toBe('in the workshop')
    ben.setActivity(undefined)
    await whenMembers(ann, (members) => members.every(({ activity }) => activity === undefined))
    expect(memberOf(ann, 'ben')?.status).toBe('busy')
  })

  test('has one member for all devices of a user, who is offline when the last one is gone', async () => {
    const ann = openSession(server).lobby(group)
    const [phone, laptop] = [openSession(server, { as: 'ben' }), openSession(server, { as: 'ben' })]
    const [onPhone] = [phone.lobby(group), laptop.lobby(group)]
    onPhone.setStatus('busy')
    await whenStatus(ann, 'ben', 'busy')
    expect(ann.state.get().members).toHaveLength(2)
    const seen: unknown[] = []
    ann.state.subscribe(() => seen.push(memberOf(ann, 'ben')?.status))
    phone.close()
    laptop.close()
    await whenStatus(ann, 'ben', 'offline')
    // The laptop may have come just now, which changes nothing.
    expect(new Set(seen.filter((status) => status !== 'busy'))).toEqual(new Set(['offline']))
    await whenMembers(ann, () => memberOf(ann, 'ben')?.lastSeen !== undefined)
    expect(Date.now() - (memberOf(ann, 'ben')?.lastSeen ?? 0)).toBeGreaterThanOrEqual(LEAVE_GRACE_MS)
    expect(memberOf(ann, 'ben')).toMatchObject({ name: 'ben', self: false })
  })

  test('keeps what was chosen before it was open, for all devices and after a restart', async () => {
    const session = openSession(server)
    const early = session.lobby(group)
    early.setActivity('early')
    early.setStatus('away')
    await whenStatus(early, 'ann', 'away')
    await session.document(lobbyOf(group)).whenSaved()
    session.close()
    const before = server
    await before.kill()
    server = await before.restart()
    const later = openSession(server).lobby(group)
    later.setStatus('busy')
    await whenStatus(later, 'ann', 'busy')
    expect(memberOf(later, 'ann')?.activity).toBe('early')
  })

  test('takes no activity that is none, and nothing after its end', () => {
    const lobby = openSession(server).lobby(group)
    for (const wrong of ['x'.repeat(141), 'two\nlines', '😀'.repeat(141)])
      expect(() => lobby.setActivity(wrong)).toThrow(expect.objectContaining({ code: 'lobby/bad-activity' }))
    lobby.setActivity('😀'.repeat(140))
    lobby.destroy()
    lobby.destroy()
    expect(() => lobby.setStatus('busy')).toThrow(expect.objectContaining({ code: 'lobby/destroyed' }))
  })

  test('can be looked at with a grant to read', async () => {
    const lobby = openSession(server, { tokenOptions: { access: { [lobbyOf(group)]: 'read' } } }).lobby(group)
    await whenState(lobby.state, ({ ready, readOnly }) => ready && readOnly)
    await whenStatus(lobby, 'ann', 'online')
  })

  test('goes on after a change that was refused', async () => {
    const session = openSession(server)
    const lobby = session.lobby(group)
    await whenStatus(lobby, 'ann', 'online')
    const document = session.document(lobbyOf(group))
    await document.whenSynced
    const replaced = new Promise((resolve) => document.onReplaced(resolve))
    setLobbyEntry(document.ydoc, 'ben', { status: 'busy' })
    await replaced
    await whenMembers(lobby, (members) => members.every(({ user }) => user === 'ann'))
    lobby.setStatus('busy')
    await whenStatus(lobby, 'ann', 'busy')
  })

  test('ends with its session, and gives everything back', async () => {
    const session = openSession(server)
    const lobby = session.lobby(group)
    await whenStatus(lobby, 'ann', 'online')
    session.close()
    expect(() => lobby.setStatus('busy')).toThrow(expect.objectContaining({ code: 'lobby/destroyed' }))
    expect(() => session.lobby(group)).toThrow(expect.objectContaining({ code: 'client/closed' }))
  })
})

describe('time', () => {
  let ann: CountedDocuments
  let ben: CountedDocuments
  const clock = new TestClock()

  beforeEach(async () => {
    ann = await CountedDocuments.of(server, 'ann')
    ben = await CountedDocuments.of(server, 'ben')
    return () => {
      ann.close()
      ben.close()
    }
  })

  test('a device is idle after five minutes without input, and a user once all their devices are', async () => {
    const input = new EventTarget()
    const phone = new LobbyHandle(ben, group, { clock, input })
    const laptop = await CountedDocuments.of(server, 'ben')
    const onLaptop = new LobbyHandle(laptop, group, { clock, input: new EventTarget() })
    const witness = new LobbyHandle(ann, group, { clock, input: undefined })
    await whenStatus(witness, 'ben', 'online')
    clock.pass(IDLE_AFTER_MS - 1)
    input.dispatchEvent(new Event('keydown'))
    clock.pass(IDLE_AFTER_MS - 1)
    expect(memberOf(phone, 'ben')?.status).toBe('online')
    clock.pass(1)
    await whenStatus(witness, 'ben', 'away')
    input.dispatchEvent(new Event('pointermove'))
    await whenStatus(witness, 'ben', 'online')
    phone.setStatus('busy')
    await whenStatus(witness, 'ben', 'busy')
    clock.pass(IDLE_AFTER_MS)
    expect(memberOf(phone, 'ben')?.status).toBe('busy')
    for (const lobby of [phone, onLaptop, witness]) lobby.destroy()
    expect([ann.count, ben.count, laptop.count]).toEqual([0, 0, 0])
    laptop.close()
  })

  test('who is back within the grace never left', async () => {
    const witness = new LobbyHandle(ann, group, { clock, input: undefined })
    const states: unknown[] = []
    const first = new LobbyHandle(ben, group, { clock })
    await whenStatus(witness, 'ben', 'online')
    witness.state.subscribe(() => states.push(memberOf(witness, 'ben')?.status))
    const gone = ann.open(lobbyOf(group))
    const whenAlone = whenState(gone.presence, (present) => present.every(({ user }) => user === 'ann'))
    first.destroy()
    await whenAlone
    clock.pass(LEAVE_GRACE_MS - 1)
    const second = new LobbyHandle(ben, group, { clock })
    await whenState(gone.presence, (present) => present.some(({ user }) => user === 'ben'))
    clock.pass(LEAVE_GRACE_MS)
    expect(new Set(states)).not.toContain('offline')
    expect(memberOf(witness, 'ben')?.status).toBe('online')
    const whenGone = whenState(gone.presence, (present) => present.every(({ user }) => user === 'ann'))
    second.destroy()
    await whenGone
    expect(memberOf(witness, 'ben')?.status).toBe('online')
    clock.pass(LEAVE_GRACE_MS)
    expect(memberOf(witness, 'ben')?.status).toBe('offline')
    witness.destroy()
    gone.destroy()
  })

  test('a name is the token’s, also a new one', async () => {
    let called = 'Ben'
    const session = openSession(server, { token: async () => tokenFor('ben', { name: called }) })
    const witness = new LobbyHandle(ann, group, { clock })
    session.lobby(group)
    await whenMembers(witness, (members) => members.some(({ name }) => name === 'Ben'))
    called = 'Benjamin'
    session.renewToken()
    await whenMembers(witness, (members) => members.some(({ name }) => name === 'Benjamin'))
    witness.destroy()
  })
})
