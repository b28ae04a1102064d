import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Awareness } from 'y-protocols/awareness'
import { LEAVE_GRACE_MS, lastSeenOf } from '../../model/lobby.ts'
import { whenPresent } from '../hostile/witnesses.ts'
import { type Client, openClient } from '../support/clients.ts'
import { Instances } from '../support/instances.ts'
import { enterLobby, whenLastSeen } from '../support/lobby-member.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { documentPath, rest } from '../support/rest.ts'
import { databaseUrl, type TestServer, temporaryFolder } from '../support/server.ts'

let redis: TestRedis
let instances: Instances
let groups = 0

beforeAll(async () => {
  redis = await startRedis()
  instances = await Instances.start(2, { databaseUrl: databaseUrl(temporaryFolder()), redis })
})

afterAll(async () => {
  await instances.close()
  await redis.stop()
})

function awarenessOf({ provider }: Client): Awareness {
  if (provider.awareness === null) throw new Error('the provider has no awareness')
  return provider.awareness
}

/** The two servers, a lobby of their own, and a witness on each. */
async function openLobby(): Promise<{ servers: [TestServer, TestServer]; group: string; witnesses: [Client, Client] }> {
  groups += 1
  const group = `group ${groups}`
  const [one, other] = instances.all
  if (one === undefined || other === undefined) throw new Error('two instances are needed')
  const servers: [TestServer, TestServer] = [one.server, other.server]
  const witnesses: [Client, Client] = [
    await enterLobby(servers[0], group, 'witness one'),
    await enterLobby(servers[1], group, 'witness two'),
  ]
  await whenAllSee(witnesses, [])
  return { servers, group, witnesses }
}

async function whenAllSee(witnesses: readonly Client[], users: readonly string[]): Promise<void> {
  const expected = [...users, 'witness one', 'witness two']
  await Promise.all(witnesses.map((witness) => whenPresent(awarenessOf(witness), expected)))
}

test('a user is there while a device is, on whichever instance', async () => {
  const { servers, group, witnesses } = await openLobby()
  const phone = await enterLobby(servers[0], group, 'ann')
  const laptop = await enterLobby(servers[1], group, 'ann')
  await whenAllSee(witnesses, ['ann', 'ann'])
  phone.destroy()
  await whenAllSee(witnesses, ['ann'])
  // Longer than either instance would wait.
  await setTimeout(2 * LEAVE_GRACE_MS)
  for (const { ydoc } of witnesses) expect(lastSeenOf(ydoc).size).toBe(0)
  const before = Date.now()
  laptop.destroy()
  const seen = await Promise.all(witnesses.map((witness) => whenLastSeen(witness, 'ann')))
  expect(seen[0]).toBe(seen[1])
  expect(seen[0]).toBeGreaterThanOrEqual(before)
  // The other instance finds it written.
  await setTimeout(2 * LEAVE_GRACE_MS)
  expect(witnesses.map(({ ydoc }) => lastSeenOf(ydoc).get('ann'))).toEqual(seen)
  for (const witness of witnesses) witness.destroy()
})

test('a move to the other instance is no leave, also where nobody else keeps the lobby open', async () => {
  const { servers, group, witnesses } = await openLobby()
  witnesses[0].destroy()
  const before = await enterLobby(servers[0], group, 'ann')
  await whenPresent(awarenessOf(witnesses[1]), ['ann', 'witness two'])
  before.destroy()
  const after = await enterLobby(servers[1], group, 'ann')
  await whenPresent(awarenessOf(witnesses[1]), ['ann', 'witness two'])
  await whenLastSeen(witnesses[1], 'witness one')
  await setTimeout(2 * LEAVE_GRACE_MS)
  expect(lastSeenOf(witnesses[1].ydoc).has('ann')).toBe(false)
  after.destroy()
  witnesses[1].destroy()
})

test('when an instance is killed, the other one writes who was there and comes to nobody', async () => {
  const { servers, group, witnesses } = await openLobby()
  const ann = await enterLobby(servers[0], group, 'ann')
  await whenAllSee(witnesses, ['ann'])
  const alive = Date.now() - 20_000
  ann.socket.shouldConnect = false
  witnesses[0].socket.shouldConnect = false
  await instances.all[0]?.kill()
  const seen = await whenLastSeen(witnesses[1], 'ann')
  // When they were last heard, not when that was noticed.
  expect(seen).toBeGreaterThan(alive)
  expect(Date.now() - seen).toBeGreaterThan(25_000)
  for (const client of [ann, ...witnesses]) client.destroy()
  await instances.all[0]?.restart()
}, 90_000)

test('an agent over HTTP is there once, whichever instance it asks, until any of them hides it', async () => {
  const servers = instances.all.map(({ server }) => server)
  const path = documentPath('agents/moving', '/presence')
  const witnesses = servers.map((server) => openClient(server, 'agents/moving'))
  onTestFinished(() => {
    for (const witness of witnesses) witness.destroy()
  })
  const ask = (server: TestServer, method: string, body?: unknown) =>
    rest(server, path, { user: 'scribe', agent: true, method, ...(body === undefined ? {} : { body }) })
  const seen = (witness: Client) =>
    [...awarenessOf(witness).getStates().values()].filter(({ user }) => user?.kind === 'agent').map(({ at }) => at)
  const whenSeen = async (...expected: unknown[]) => {
    for (const witness of witnesses) await expect.poll(() => seen(witness), { timeout: 20_000 }).toEqual(expected)
  }
  for (const witness of witnesses) await witness.synced()
  for (const [at, server] of [...servers, ...servers].entries()) {
    expect(await ask(server, 'PUT', { fields: { at } })).toMatchObject({ status: 204 })
    await whenSeen(at)
  }
  // The last one was shown by the other instance.
  for (const [nth, server] of servers.entries()) {
    expect((await ask(server, 'GET')).body).toMatchObject({ present: [{ user: 'scribe', kind: 'agent' }] })
    expect(await ask(server, 'DELETE')).toMatchObject({ status: 204 })
    await whenSeen()
    if (nth === 0) await ask(servers[0] ?? server, 'PUT', { fields: { at: 'again' } })
    if (nth === 0) await whenSeen('again')
  }
})
