import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Presence } from '../../client/index.ts'
import { closeSessions, openSession, whenState } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

afterEach(closeSessions)

const fieldsOf = (present: readonly Presence[], user: string) => present.find((one) => one.user === user)?.fields

describe('presence', () => {
  test('what is set inside user stands beside the id and name, for editors and for the list', async () => {
    const ann = openSession(server, { as: 'ann', tokenOptions: { name: 'Ann Archer' } }).document('presence/colours')
    const ben = openSession(server, { as: 'ben' }).document('presence/colours')
    ann.setPresence({ page: 3, user: { color: '#4a56c9' } })
    ann.setPresence({ user: { colorLight: '#4a56c933' } })
    const seen = await whenState(ben.presence, (present) => fieldsOf(present, 'ann')?.colorLight !== undefined)
    expect(seen.find(({ user }) => user === 'ann')).toEqual({
      user: 'ann',
      name: 'Ann Archer',
      self: false,
      fields: { page: 3, color: '#4a56c9', colorLight: '#4a56c933' },
    })
    const state = ben.awareness.getStates().get(ann.awareness.clientID)
    expect(state?.user).toEqual({ id: 'ann', name: 'Ann Archer', color: '#4a56c9', colorLight: '#4a56c933' })

    ann.setPresence({ page: undefined, user: { color: undefined } })
    await whenState(ben.presence, (present) => fieldsOf(present, 'ann')?.page === undefined)
    expect(fieldsOf(ben.presence.get(), 'ann')).toEqual({ colorLight: '#4a56c933' })
  })

  test('[promise 3] nobody is shown by another id or name than the token’s, whatever they set', async () => {
    const ann = openSession(server, { as: 'ann' }).document('presence/forged')
    const ben = openSession(server, { as: 'ben' }).document('presence/forged')
    ann.setPresence({ user: { id: 'ben', name: 'Ben', color: '#b4365f' } })
    await whenState(ben.presence, (present) => fieldsOf(present, 'ann')?.color === '#b4365f')
    expect(ben.presence.get().map(({ user, name }) => [user, name])).toEqual([
      ['ben', 'ben'],
      ['ann', 'ann'],
    ])
    expect(ann.presence.get()[0]).toMatchObject({ user: 'ann', name: 'ann', self: true })
  })
})
