import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { closeSessions, openSession, whenState } from '../support/client-session.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

beforeEach(() => {
  documents += 1
  name = `presence/${documents}`
})

afterEach(closeSessions)

test('shows each user once, oneself first, with what they set', async () => {
  const ann = openSession(server, { tokenOptions: { name: 'Ann' } }).document(name)
  const bob = openSession(server, { as: 'bob', tokenOptions: { name: 'Bob' } }).document(name)
  ann.setPresence({ color: '#ff0000' })
  const second = openSession(server, { as: 'bob', tokenOptions: { name: 'Bob' } }).document(name)
  const seen = await whenState(ann.presence, (people) => people.length === 2)
  expect(seen).toEqual([
    { user: 'ann', name: 'Ann', self: true, fields: { color: '#ff0000' } },
    { user: 'bob', name: 'Bob', self: false, fields: {} },
  ])
  const byBob = await whenState(bob.presence, (people) => people.some(({ fields }) => 'color' in fields))
  expect(byBob.map(({ user, self }) => [user, self])).toEqual([
    ['bob', true],
    ['ann', false],
  ])
  ann.setPresence({ color: undefined })
  await whenState(bob.presence, (people) => people.every(({ fields }) => !('color' in fields)))
  bob.destroy()
  second.destroy()
  await whenState(ann.presence, (people) => people.length === 1)
})

test('nobody is shown under a name of their own choice', async () => {
  const ann = openSession(server).document(name)
  const bob = openSession(server, { as: 'bob' }).document(name)
  await Promise.all([ann.whenSynced, bob.whenSynced])
  bob.awareness.setLocalStateField('user', { id: 'ann', name: 'Ann', color: 'red' })
  const seen = await whenState(ann.presence, (people) => people.some(({ user }) => user === 'bob'))
  expect(seen.map(({ user, name: shown }) => [user, shown])).toEqual([
    ['ann', 'ann'],
    ['bob', 'bob'],
  ])
})

test('a new name is shown once the token has it', async () => {
  let called = 'Ann'
  const session = openSession(server, { token: async () => tokenFor('ann', { name: called }) })
  const ann = session.document(name)
  const bob = openSession(server, { as: 'bob' }).document(name)
  await whenState(bob.presence, (people) => people.some((person) => person.name === 'Ann'))
  called = 'Anna'
  session.renewToken()
  await whenState(bob.presence, (people) => people.some((person) => person.name === 'Anna'))
  await whenState(ann.presence, ([self]) => self?.name === 'Anna')
  await whenState(ann.state, ({ status }) => status.kind === 'online')
})

test('comes back with the connection', async () => {
  const ann = openSession(server).document(name)
  const bob = openSession(server, { as: 'bob' }).document(name)
  ann.setPresence({ color: '#00ff00' })
  await whenState(bob.presence, (people) => people.length === 2)
  await server.kill()
  await whenState(bob.presence, (people) => people.length === 1)
  server = await server.restart()
  const seen = await whenState(bob.presence, (people) => people.length === 2)
  expect(seen.find(({ self }) => !self)?.fields).toEqual({ color: '#00ff00' })
})
