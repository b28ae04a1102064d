import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Call, Chat, DirectMessage, Session } from '../../client/index.ts'
import { directChat } from '../../model/rooms.ts'
import { closeSessions, openSession, whenState } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

const room = directChat('ann', 'bob')

let server: TestServer

beforeEach(async () => {
  server = await startServer()
})

afterEach(async () => {
  closeSessions()
  await server.kill()
})

interface Person {
  readonly session: Session
  readonly chat: Chat
}

async function join(as: string): Promise<Person> {
  const session = openSession(server, { as })
  const chat = session.chat(room)
  await whenState(chat.state, ({ status }) => status.kind === 'online')
  return { session, chat }
}

function stateOf(call: Call | undefined, user: string) {
  return call?.parties.find((party) => party.user === user)?.state
}

async function whenCall({ chat }: Person, state: Call['state']): Promise<Call> {
  const calls = await whenState(chat.calls.list, (list) => list.at(-1)?.state === state)
  return calls.at(-1) ?? expect.fail()
}

test('a call rings, is answered, carries signals both ways, and ends', async () => {
  const [ann, bob] = [await join('ann'), await join('bob')]
  const id = ann.chat.calls.start(['bob'], 'video')
  expect(await whenCall(bob, 'ringing')).toMatchObject({ id, from: 'ann', to: ['bob'], media: 'video' })
  bob.chat.calls.answer(id)
  const call = await whenCall(ann, 'answered')
  expect(stateOf(call, 'bob')).toBe('joined')
  await whenCall(bob, 'answered')

  const heard: [string, unknown][] = []
  const both = new Promise<void>((resolve) => {
    for (const { chat } of [ann, bob]) {
      chat.calls.signalling(id).listen((party, signal) => {
        heard.push([party, signal])
        if (heard.length === 2) resolve()
      })
    }
  })
  ann.chat.calls.signalling(id).send('bob', { type: 'hello', session: 'one' })
  bob.chat.calls.signalling(id).send('ann', { type: 'hello', session: 'two' })
  await both
  expect(heard.toSorted(([one], [other]) => one.localeCompare(other))).toEqual([
    ['ann', { type: 'hello', session: 'one' }],
    ['bob', { type: 'hello', session: 'two' }],
  ])

  const before = ann.chat.calls.list.get()
  ann.chat.send({ text: 'beside the call' })
  await whenState(bob.chat.state, ({ messages }) => messages.length === 1)
  expect(ann.chat.calls.list.get()).toBe(before)
  bob.chat.calls.end(id)
  expect((await whenCall(ann, 'ended')).duration).toBeGreaterThanOrEqual(0)
})

test('is declined, cancelled, and refused beyond what one may have at the same time', async () => {
  const [ann, bob] = [await join('ann'), await join('bob')]
  bob.chat.calls.decline((await ringing(ann, bob)).id)
  await whenCall(ann, 'declined')
  const { id } = await ringing(ann, bob)
  ann.chat.calls.cancel(id)
  await whenCall(bob, 'cancelled')
  for (let count = 0; count < 6; count += 1) ann.chat.calls.start(['bob'], 'audio')
  const { refusedChange } = await whenState(ann.chat.state, (state) => state.refusedChange !== undefined)
  expect(refusedChange).toContain('at most 5 calls')
  await whenState(ann.chat.calls.list, (list) => list.length === 2 || list.length === 7)
})

async function ringing(ann: Person, bob: Person): Promise<Call> {
  const id = ann.chat.calls.start(['bob'], 'audio')
  const calls = await whenState(bob.chat.calls.list, (list) => list.at(-1)?.id === id)
  return calls.at(-1) ?? expect.fail()
}

test('nobody is called while the server is away, and no call is acted in that is not there', async () => {
  const ann = await join('ann')
  expect(() => ann.chat.calls.answer('none')).toThrow(expect.objectContaining({ code: 'call/no-such-call' }))
  await server.kill()
  await whenState(ann.chat.state, ({ status }) => status.kind === 'offline')
  expect(() => ann.chat.calls.start(['bob'], 'audio')).toThrow(expect.objectContaining({ code: 'call/offline' }))
  ann.chat.destroy()
  expect(() => ann.chat.calls.start(['bob'], 'audio')).toThrow(expect.objectContaining({ code: 'chat/destroyed' }))
})

test('a direct message reaches all windows of a user with whom a room is shared, and nobody else', async () => {
  const [ann, bob, tablet] = [await join('ann'), await join('bob'), await join('bob')]
  const heard = new Map<Person, DirectMessage[]>()
  for (const person of [ann, bob, tablet]) {
    const messages: DirectMessage[] = []
    heard.set(person, messages)
    person.session.onDirectMessage((message) => messages.push(message))
  }
  await whenState(ann.chat.state, () => ann.session.send('bob', 'wave', { hands: 2 }))
  const message = { from: 'ann', kind: 'wave', payload: { hands: 2 }, room }
  await expect.poll(() => [heard.get(bob), heard.get(tablet)]).toEqual([[message], [message]])
  expect(heard.get(ann)).toEqual([])
  expect(ann.session.send('cleo', 'wave', {})).toBe(false)
})

test('who sends too much in a direct message is told', async () => {
  const [ann, bob] = [await join('ann'), await join('bob')]
  const refused = new Promise((resolve) => ann.session.onDirectRefused(resolve))
  bob.session.onDirectMessage(() => expect.fail('it is too big'))
  await expect.poll(() => ann.session.send('bob', 'file', 'x'.repeat(70_000))).toBe(true)
  expect(await refused).toMatchObject({ rule: 'direct/too-big' })
})
