import { afterAll, beforeAll, expect, test } from 'vitest'
import { lobbyOf } from '../../model/rooms.ts'
import { openClient } from '../support/clients.ts'
import { eventsOf } from '../support/events.ts'
import { ask } from '../support/inbox.ts'
import { enterLobby, whenLastSeen } from '../support/lobby-member.ts'
import { documentPath, rest } from '../support/rest.ts'
import { databaseUrl, startServer, type TestServer } from '../support/server.ts'

/** Longer than the test takes: only what is kept over a crash tells of its edits. */
const NEVER = { CHANGE_DELAY: '3600000' }
const SOON = { CHANGE_DELAY: '100' }
const patient = { timeout: 20_000 }

let crashed: TestServer
let server: TestServer

beforeAll(async () => {
  crashed = await startServer({ environment: NEVER })
})
afterAll(() => server.kill())

async function told(kind: string, document?: string) {
  const { events } = await eventsOf(server, `kind=${kind}&limit=1000`)
  return events.filter((event) => document === undefined || event.document === document)
}

test('[promise 1] that a document was changed is told once for all of its edits, also after kill -9', async () => {
  const ann = openClient(crashed, 'notes/plan', { user: 'ann' })
  await ann.synced()
  for (const word of ['one ', 'two ', 'three ']) {
    ann.text.insert(0, word)
    await ann.saved()
  }
  const { body } = await rest(crashed, documentPath('notes/plan', '/position?at=9007199254740991'))
  await crashed.kill()
  ann.destroy()
  server = await startServer({ environment: { ...SOON, DATABASE_URL: databaseUrl(crashed.folder) } })
  await expect.poll(async () => (await told('document.changed')).length, patient).toBe(1)
  const [change] = await told('document.changed')
  expect(change).toMatchObject({ document: 'notes/plan', users: ['ann'], data: { since: 0, position: body.position } })
})

test('that a document was deleted is told, once', async () => {
  for (const _ of [1, 2]) await rest(server, documentPath('notes/plan'), { method: 'DELETE', user: 'eve', admin: true })
  const deleted = await told('document.deleted')
  expect(deleted.map(({ document, users, data }) => ({ document, users, data }))).toEqual([
    { document: 'notes/plan', users: ['eve'], data: { by: 'eve' } },
  ])
})

test('each message of a chat is told, with its place and without its text', async () => {
  const room = `/api/rooms/${encodeURIComponent('chat/talk')}/messages`
  const { body } = await ask(server, room, { user: 'ann', body: { text: 'secret', mentions: ['bob'] } })
  await ask(server, room, { user: 'bob', body: { text: 'secret', replyTo: body.id } })
  const messages = await told('message.created')
  expect(messages.map(({ document, users, data }) => [document, users, data])).toEqual([
    ['chat/talk', ['ann'], { id: body.id, seq: 1, author: 'ann', mentions: ['bob'] }],
    ['chat/talk', ['bob'], { id: expect.any(String), seq: 2, author: 'bob', replyTo: body.id }],
  ])
  expect(JSON.stringify(messages)).not.toContain('secret')
})

test('who comes into a lobby and leaves it is told over all devices and instances', async () => {
  const other = await startServer({ environment: { ...SOON, DATABASE_URL: databaseUrl(server.folder) } })
  const witness = await enterLobby(server, 'team', 'witness')
  const ofAnn = async () => {
    const { events } = await eventsOf(server, 'limit=1000')
    const hers = events.filter(({ document, users }) => document === lobbyOf('team') && users.includes('ann'))
    return hers.map(({ kind }) => kind)
  }
  const devices = [await enterLobby(server, 'team', 'ann'), await enterLobby(other, 'team', 'ann')]
  await expect.poll(ofAnn, patient).toEqual(['user.online'])
  for (const device of devices) device.destroy()
  const seen = await whenLastSeen(witness, 'ann')
  const [offline] = (await told('user.offline')).filter(({ users }) => users.includes('ann'))
  expect(offline).toMatchObject({ at: seen, data: {} })
  await other.kill()
  const again = await enterLobby(server, 'team', 'ann')
  await expect.poll(ofAnn, patient).toEqual(['user.online', 'user.offline', 'user.online'])
  again.destroy()
  witness.destroy()
})
