import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Awareness } from 'y-protocols/awareness'
import { LEAVE_GRACE_MS, lastSeenOf } from '../../model/lobby.ts'
import { namesOf, whenPresent } from '../hostile/witnesses.ts'
import type { Client } from '../support/clients.ts'
import { enterLobby, whenLastSeen } from '../support/lobby-member.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let witness: Client

beforeEach(async () => {
  server = await startServer()
  witness = await enterLobby(server, 'team', 'witness')
})

afterEach(async () => {
  witness.destroy()
  expect(await server.stop()).toBe(0)
})

function awarenessOf({ provider }: Client): Awareness {
  if (provider.awareness === null) throw new Error('the provider has no awareness')
  return provider.awareness
}

test('a user was last seen when the last of their devices left', async () => {
  const [phone, laptop] = [await enterLobby(server, 'team', 'ann'), await enterLobby(server, 'team', 'ann')]
  await whenPresent(awarenessOf(witness), ['ann', 'ann', 'witness'])
  phone.destroy()
  await whenPresent(awarenessOf(witness), ['ann', 'witness'])
  await setTimeout(LEAVE_GRACE_MS + 500)
  expect(lastSeenOf(witness.ydoc).size).toBe(0)
  const before = Date.now()
  laptop.destroy()
  await whenPresent(awarenessOf(witness), ['witness'])
  const after = Date.now()
  const seen = await whenLastSeen(witness, 'ann')
  expect(seen).toBeGreaterThanOrEqual(before)
  expect(seen).toBeLessThanOrEqual(after)
  expect([...lastSeenOf(witness.ydoc).keys()]).toEqual(['ann'])
})

test('a reload is no leave', async () => {
  for (let round = 0; round < 3; round += 1) {
    const ann = await enterLobby(server, 'team', 'ann')
    await whenPresent(awarenessOf(witness), ['ann', 'witness'])
    ann.destroy()
    await whenPresent(awarenessOf(witness), ['witness'])
  }
  const ann = await enterLobby(server, 'team', 'ann')
  await whenPresent(awarenessOf(witness), ['ann', 'witness'])
  await setTimeout(LEAVE_GRACE_MS + 500)
  expect(namesOf(awarenessOf(witness))).toEqual(['ann', 'witness'])
  expect(lastSeenOf(witness.ydoc).size).toBe(0)
  ann.destroy()
  await whenLastSeen(witness, 'ann')
})

test('who leaves an empty lobby is written, too, and outlasts a crash of the server', async () => {
  const before = Date.now()
  witness.destroy()
  // Nobody else keeps it open: what is seen comes from the log.
  await setTimeout(LEAVE_GRACE_MS + 1_000)
  await server.kill()
  server = await server.restart()
  witness = await enterLobby(server, 'team', 'ann')
  const seen = await whenLastSeen(witness, 'witness')
  expect(seen).toBeGreaterThanOrEqual(before)
})

test('a server that stops writes who was there, and who had just left', async () => {
  const [ann, ben] = [await enterLobby(server, 'team', 'ann'), await enterLobby(server, 'team', 'ben')]
  await whenPresent(awarenessOf(witness), ['ann', 'ben', 'witness'])
  const before = Date.now()
  ben.destroy()
  await whenPresent(awarenessOf(witness), ['ann', 'witness'])
  expect(await server.stop()).toBe(0)
  witness.destroy()
  ann.destroy()
  server = await server.restart()
  witness = await enterLobby(server, 'team', 'witness')
  for (const user of ['ann', 'ben', 'witness']) {
    const seen = lastSeenOf(witness.ydoc).get(user)
    expect(seen, user).toBeGreaterThanOrEqual(before)
    expect(seen, user).toBeLessThanOrEqual(Date.now())
  }
})
