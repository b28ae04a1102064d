import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { actInCall, type Call, callsIn, callsOf, setCourse } from '../../model/calls.ts'
import type { DirectRequest } from '../../model/direct.ts'
import { directChat } from '../../model/rooms.ts'
import { act, callFrom, whenCall } from '../support/calls.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { rssMb, Witnesses } from './witnesses.ts'

/** Ann and bob are in a call; cleo is called, and does not answer; mallory may do in the room what they may. */
const room = 'chat/meeting'

let server: TestServer
let witnesses: Witnesses
let ann: ChatPeer
let bob: ChatPeer
let mallory: ChatPeer
let call: Call

beforeAll(async () => {
  server = await startServer({ environment: { CALL_RING_TIME: '3600000' } })
  witnesses = await Witnesses.open(server)
  ann = await join('ann')
  bob = await join('bob')
  const id = callFrom(ann, 'ann', ['bob', 'cleo'])
  await whenCall(bob, id, 'ringing')
  act(bob, id, 'answer', 'bob')
  call = await whenCall(ann, id, 'answered')
}, 60_000)

beforeEach(async () => {
  mallory = await join('mallory')
})

afterEach(async () => {
  mallory.destroy()
  await Promise.all([ann.sync(), bob.sync()])
  expect(callsIn(ann.ydoc)).toEqual([call])
  expect(callsIn(bob.ydoc)).toEqual([call])
  await witnesses.check()
})

afterAll(async () => {
  witnesses.close()
  await server.kill()
})

function join(user: string): Promise<ChatPeer> {
  return ChatPeer.open(server, room, { user, understandsRefusals: true })
}

describe('[promise 3] of a call nobody can', () => {
  const attacks: Record<string, [rule: string, attack: (peer: ChatPeer) => void]> = {
    'answer for another': ['call/foreign-act', (peer) => act(peer, call.id, 'answer', 'cleo', 'd1')],
    'answer as nobody who was called': ['call/not-called', (peer) => act(peer, call.id, 'answer', 'mallory')],
    'end one of others': ['call/not-answered', (peer) => act(peer, call.id, 'end', 'mallory')],
    'cancel one of others': ['call/not-the-caller', (peer) => act(peer, call.id, 'cancel', 'mallory')],
    'skip to its end': [
      'call/fixed-field',
      (peer) => peer.edit((head) => setCourse(callsOf(head).get(0), { ...call, state: 'ended' })),
    ],
    'forge its times': [
      'call/fixed-field',
      (peer) => peer.edit((head) => setCourse(callsOf(head).get(0), { ...call, answeredAt: 1 })),
    ],
    'join its parties': [
      'call/fixed-field',
      (peer) =>
        peer.edit((head) => {
          const parties = [...call.parties, { user: 'mallory', state: 'joined' as const, device: 'm1' }]
          setCourse(callsOf(head).get(0), { ...call, parties })
        }),
    ],
    'remove it': ['call/shape', (peer) => peer.edit((head) => callsOf(head).delete(0))],
    'call as another': ['call/foreign-caller', (peer) => callFrom(peer, 'ann', ['bob'])],
    'begin one that is answered': [
      'call/not-called',
      (peer) =>
        peer.edit((head) => {
          head.transact(() => {
            callFrom({ edit: (edit) => edit(head) }, 'mallory', ['bob'])
            actInCall(callsOf(head).get(1), 'answer', 'mallory', 'm1')
          })
        }),
    ],
  }

  test.each(Object.entries(attacks))('%s', async (_title, [rule, attack]) => {
    attack(mallory)
    await mallory.until(() => mallory.refusals.length > 0)
    expect(mallory.refusals[0]?.rule).toBe(rule)
  })
})

describe('[promise 3] a direct message', () => {
  const signal = (changes: Partial<DirectRequest> = {}): DirectRequest => ({
    to: 'bob',
    kind: 'signal',
    payload: 'attack',
    call: { id: call.id, device: 'ann1' },
    ...changes,
  })
  const attacks: Record<string, [rule: string, message: () => DirectRequest | string]> = {
    'into a foreign call': ['call/not-a-party', () => signal()],
    'into a foreign call, on its device': [
      'call/not-a-party',
      () => signal({ to: 'ann', call: { id: call.id, device: 'bob1' } }),
    ],
    'into no call': ['call/not-open', () => signal({ call: { id: 'none', device: 'm1' } })],
    'with a sender': ['direct/shape', () => `coweave:send:${JSON.stringify({ ...signal(), from: 'ann' })}`],
    'with the device of the receiver': [
      'direct/shape',
      () => `coweave:send:${JSON.stringify({ ...signal(), call: { id: call.id, device: 'm1', to: 'bob1' } })}`,
    ],
    'to nobody': ['direct/shape', () => signal({ to: '' })],
    'of no kind': ['direct/shape', () => signal({ kind: '' })],
    'of 64 KiB and more': ['direct/too-big', () => signal({ payload: 'x'.repeat(64 * 1024) })],
    'of 1 MB': ['direct/too-big', () => signal({ payload: 'x'.repeat(1_000_000) })],
    'of 1 MB in characters of three bytes': ['direct/too-big', () => signal({ payload: '€'.repeat(333_333) })],
    'that is no JSON': ['direct/shape', () => 'coweave:send:{"to":'],
    'that is deep': ['direct/shape', () => `coweave:send:${'['.repeat(30_000)}`],
    'that is empty': ['direct/shape', () => 'coweave:send:'],
    'with a poisoned key': [
      'direct/shape',
      () => 'coweave:send:{"__proto__":{"call":1},"constructor":1,"to":"bob","kind":"k","payload":""}',
    ],
  }

  test.each(Object.entries(attacks))('%s is refused, and told to nobody', async (_title, [rule, message]) => {
    const request = message()
    if (typeof request === 'string') mallory.sendStateless(request)
    else mallory.sendDirect(request)
    await mallory.until(() => mallory.notSent.length > 0)
    expect(mallory.notSent[0]?.rule).toBe(rule)
    await Promise.all([ann.sync(), bob.sync()])
    expect([...ann.directs, ...bob.directs]).toEqual([])
  })

  test('that pretends to come from the server goes nowhere', async () => {
    const forged = `coweave:direct:${JSON.stringify({ from: 'ann', kind: 'signal', payload: 'attack' })}`
    mallory.sendStateless(forged)
    mallory.sendStateless(`coweave:not-sent:{}`)
    await mallory.sync()
    await Promise.all([ann.sync(), bob.sync()])
    expect([...ann.directs, ...bob.directs]).toEqual([])
  })

  test('of a party is refused where it comes from, or goes to, another than takes part', async () => {
    const cases: [rule: string, request: DirectRequest][] = [
      ['call/other-device', signal({ call: { id: call.id, device: 'ann2' } })],
      ['call/not-a-party', signal({ to: 'cleo' })],
      ['call/not-a-party', signal({ to: 'ann' })],
      ['call/not-a-party', signal({ to: 'mallory' })],
    ]
    const phone = await join('ann')
    for (const [, request] of cases) phone.sendDirect(request)
    await phone.until(() => phone.notSent.length === cases.length)
    expect(phone.notSent.map(({ rule }) => rule)).toEqual(cases.map(([rule]) => rule))
    phone.destroy()
    await mallory.sync()
    expect(mallory.directs).toEqual([])
  })

  test('of who may only read is refused', async () => {
    const token = tokenFor('mallory', { access: { '**': 'read' } })
    const reader = await ChatPeer.open(server, room, { token })
    reader.sendDirect({ to: 'bob', kind: 'wave', payload: '' })
    await reader.until(() => reader.notSent.length > 0)
    expect(reader.notSent[0]?.rule).toBe('direct/read-only')
    reader.destroy()
  })

  test('goes through no other document, and in a direct chat to its members only', async () => {
    const elsewhere: [document: string, rule: string][] = [
      ['meeting', 'direct/no-room'],
      [`${room}@1`, 'direct/no-room'],
      ['inbox/mallory', 'direct/no-room'],
      [directChat('mallory', 'cleo'), 'direct/not-shared'],
    ]
    for (const [document, rule] of elsewhere) {
      const peer = await ChatPeer.open(server, document, { user: 'mallory' })
      peer.sendDirect({ to: 'bob', kind: 'wave', payload: '' })
      await peer.until(() => peer.notSent.length > 0)
      expect([document, peer.notSent[0]?.rule]).toEqual([document, rule])
      peer.destroy()
    }
  })

  test('that comes in floods is dropped beyond a rate, costs no memory, and delays nobody', async () => {
    const before = rssMb(server.pid)
    const payload = 'x'.repeat(60_000)
    const heard = bob.directs.length
    for (let sent = 0; sent < 2_000; sent += 1) mallory.sendDirect({ to: 'bob', kind: 'flood', payload })
    await mallory.sync()
    expect(new Set(mallory.notSent.map(({ rule }) => rule))).toEqual(new Set(['direct/too-many']))
    await bob.sync()
    const delivered = bob.directs.length - heard
    expect(delivered).toBeGreaterThan(10)
    expect(delivered + mallory.notSent.length).toBe(2_000)
    expect(mallory.notSent.length).toBeGreaterThan(1_000)
    expect(rssMb(server.pid) - before).toBeLessThan(450)
  })
})
