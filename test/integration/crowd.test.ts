import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { namesOf, whenPresent } from '../hostile/witnesses.ts'
import { closeSessions, openSession, whenState } from '../support/client-session.ts'
import { type Client, openClient } from '../support/clients.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
const clients: Client[] = []

beforeAll(async () => {
  server = await startServer({ environment: { PRESENCE_SHOWN: '2' } })
})

afterAll(() => server.stop())

afterEach(() => {
  closeSessions()
  for (const client of clients.splice(0)) client.destroy()
})

async function join(name: string, user: string): Promise<Client> {
  const client = openClient(server, name, { user })
  clients.push(client)
  await client.synced()
  client.provider.setAwarenessField('user', { name: user, color: 'blue' })
  return client
}

function presenceOf({ provider }: Client) {
  if (provider.awareness === null) throw new Error('the provider has no awareness')
  return provider.awareness
}

test('of a crowd those who came first are shown, and whoever edits, and all others are counted', async () => {
  const name = 'crowd/square'
  const [ada, bob, cem] = [await join(name, 'ada'), await join(name, 'bob'), await join(name, 'cem')]
  const seen = presenceOf(bob)
  await whenPresent(seen, ['ada', 'bob'])
  const guest = openSession(server, { as: 'guest' }).document(name)
  const { unseenPeople } = await whenState(guest.state, (state) => state.unseenPeople > 1)
  expect(unseenPeople, 'cem, and the guest').toBe(2)
  expect(namesOf(seen).toSorted()).toEqual(['ada', 'bob'])

  cem.text.insert(0, 'I write')
  await whenPresent(presenceOf(cem), ['bob', 'cem']) // ada has not edited for longest
  await whenPresent(seen, ['bob', 'cem'])

  ada.destroy()
  cem.destroy()
  await whenPresent(seen, ['bob', 'guest'])
  await whenState(guest.state, (state) => state.unseenPeople === 0)
})
