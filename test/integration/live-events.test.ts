import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { callFrom } from '../support/calls.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { openClient } from '../support/clients.ts'
import { EventSourceReader, type SentEvent, type SourceOptions } from '../support/event-source.ts'
import { ask, notify } from '../support/inbox.ts'
import { enterLobby } from '../support/lobby-member.ts'
import { createRandom, isSoak, seedsFor } from '../support/random.ts'
import { documentPath, rest } from '../support/rest.ts'
import { databaseUrl, startServer, type TestServer } from '../support/server.ts'

const environment = { PING_INTERVAL: '1000' }
const [UPDATES, CUTS] = isSoak ? [5_000, 50] : [600, 15]

let server: TestServer
let other: TestServer

beforeAll(async () => {
  server = await startServer({ environment })
  other = await startServer({ environment: { ...environment, DATABASE_URL: databaseUrl(server.folder) } })
})
afterAll(() => Promise.all([server.kill(), other.kill()]))

async function open(name: string, options: SourceOptions & { on?: TestServer; query?: string } = {}) {
  const { on = server, query = '', ...rest } = options
  const reader = await EventSourceReader.open(`${on.url}${documentPath(name, '/events')}?${query}`, rest)
  onTestFinished(() => reader.close())
  return reader
}

async function join(user: string, room: string): Promise<ChatPeer> {
  const peer = await ChatPeer.open(server, room, { user })
  onTestFinished(() => peer.destroy())
  return peer
}

function positionOf({ data }: SentEvent): number {
  return Number(data.position)
}

test.each(seedsFor([3], 2))(
  'each update comes once and in order, however often the connection is cut (rerun with SEED=%i)',
  async (seed) => {
    const random = createRandom(seed)
    const name = `cut/${seed}`
    const writer = openClient(server, name, { user: 'ann' })
    onTestFinished(() => writer.destroy())
    await writer.synced()
    const writing = (async () => {
      for (let count = 0; count < UPDATES; count++) {
        writer.text.insert(random.int(writer.text.length + 1), String.fromCodePoint(97 + (count % 26)))
        if (count % 10 === 0) await writer.saved()
      }
      await writer.saved()
    })()
    const copy = new Y.Doc()
    const positions: number[] = []
    let lastEventId: string | undefined
    for (let cut = 0; positions.length < UPDATES; cut++) {
      const query = lastEventId === undefined ? 'after=0' : ''
      const reader = await open(name, { lastEventId, query, on: random.chance(0.5) ? server : other })
      const until = cut < CUTS ? positions.length + random.int((2 * UPDATES) / CUTS) : UPDATES
      while (positions.length < Math.min(until, UPDATES)) {
        const event = await reader.next('update')
        if (event === undefined) throw new Error('the stream has ended')
        positions.push(positionOf(event))
        lastEventId = event.id
        Y.applyUpdate(copy, Buffer.from(String(event.data.update), 'base64'))
      }
      reader.close()
    }
    await writing
    expect(positions).toEqual(Array.from({ length: UPDATES }, (_, index) => index + 1))
    expect(copy.getText('text').toJSON()).toBe(writer.text.toJSON())
  },
  120_000,
)

test('a document tells its updates, presence and named versions from now on, also from other instances', async () => {
  const name = 'live/notes'
  const early = openClient(server, name, { user: 'ann' })
  await early.synced()
  early.text.insert(0, 'before')
  await early.saved()
  early.destroy()
  const reader = await open(name, { access: { 'live/*': 'read' } })
  const begin = await reader.next()
  expect(begin).toMatchObject({ name: 'begin', data: { position: 1 } })
  const writer = openClient(other, name, { user: 'bob' })
  onTestFinished(() => writer.destroy())
  await writer.synced()
  writer.text.insert(0, 'after ')
  await writer.saved()
  const update = await reader.next('update')
  expect(update?.data).toMatchObject({ position: 2, author: 'bob', at: expect.any(Number) })
  const { body: version } = await rest(other, documentPath(name, '/versions'), { method: 'POST', body: { name: 'v1' } })
  const named = await reader.next('version')
  expect(named?.data).toEqual(version)
  const here = openClient(server, name, { user: 'cyd' })
  here.provider.setAwarenessField('cursor', 7)
  const shown = await reader.next('presence')
  expect(shown).toMatchObject({ id: undefined, data: { states: [{ state: { cursor: 7 } }] } })
  here.destroy()
  let states: unknown
  do states = (await reader.next('presence'))?.data.states
  while (JSON.stringify(states) !== JSON.stringify([{ client: here.ydoc.clientID, state: null }]))
  const again = await open(name, { lastEventId: begin?.id })
  expect([await again.next('update'), await again.next('version')]).toEqual([
    { ...update, id: expect.any(String) },
    { ...named, id: expect.any(String) },
  ])
})

test('a room tells its messages, behind the last one that its reader has', async () => {
  const post = (text: string, on = server) =>
    ask(on, `/api/rooms/${encodeURIComponent('chat/live')}/messages`, { user: 'ann', body: { text } })
  const reader = await open('chat/live')
  await reader.next('begin')
  await post('one')
  const first = await reader.next('message')
  expect(first?.data).toMatchObject({ text: 'one', author: 'ann', seq: 1 })
  await post('two', other)
  expect((await reader.next('message'))?.data.text).toBe('two')
  reader.close()
  await post('three', other)
  const again = await open('chat/live', { lastEventId: first?.id, on: other })
  expect([(await again.next('message'))?.data.text, (await again.next('message'))?.data.text]).toEqual(['two', 'three'])
})

test('a stream ends with its token, and with the document, and is not for whoever may not read that', async () => {
  await expect(open('live/notes', { access: { 'x/*': 'read' } })).rejects.toThrow('403')
  await expect(open('live/notes', { lastEventId: 'x' })).rejects.toThrow('400')
  const [brief, long] = [await open('live/gone', { expiresInS: 2 }), await open('live/gone')]
  await long.next('begin')
  expect(await brief.next('none')).toBeUndefined()
  await rest(server, documentPath('live/gone'), { method: 'DELETE', admin: true })
  expect(await long.next('none')).toBeUndefined()
  await expect(open('live/gone')).rejects.toThrow('410')
  const streams = await Promise.allSettled(Array.from({ length: 21 }, () => open('live/many', { user: 'greedy' })))
  expect(streams.filter(({ status }) => status === 'rejected')).toHaveLength(1)
})

test('a document that is reset ends its stream, and who goes on behind that has it as it is', async () => {
  const name = 'live/reset'
  const writer = openClient(server, name, { user: 'ann' })
  onTestFinished(() => writer.destroy())
  await writer.synced()
  for (const word of ['kept', ' dropped']) {
    writer.text.insert(writer.text.length, word)
    await writer.saved()
  }
  const copy = new Y.Doc()
  const take = (event: SentEvent | undefined) => {
    Y.applyUpdate(copy, Buffer.from(String(event?.data.update), 'base64'))
    return event
  }
  const reader = await open(name, { query: 'after=0' })
  take(await reader.next('update'))
  const last = take(await reader.next('update'))
  const reset = documentPath(name, '/reset')
  const { body } = await rest(server, reset, { method: 'POST', admin: true, body: { position: 1 } })
  while ((await reader.next()) !== undefined);
  const again = await open(name, { lastEventId: last?.id })
  let event: SentEvent | undefined
  do event = take(await again.next('update'))
  while (event !== undefined && positionOf(event) < Number(body.position))
  expect(copy.getText('text').toJSON()).toBe('kept')
})

test('nothing more is told to a user whose tokens were revoked', async () => {
  const name = 'live/revoked'
  const reader = await open(name, { user: 'eve' })
  await reader.next('begin')
  await rest(server, '/api/admin/revoke', { method: 'POST', admin: true, body: { user: 'eve' } })
  const writer = openClient(server, name, { user: 'ann' })
  onTestFinished(() => writer.destroy())
  await writer.synced()
  writer.text.insert(0, 'secret')
  await writer.saved()
  expect(await reader.next('update')).toBeUndefined()
})

test('users are told of their notifications and calls, and of lobbies that they may read, and of nothing else', async () => {
  const access = { 'chat/mine': 'write', 'lobby/team': 'read' }
  const me = (lastEventId?: string) =>
    EventSourceReader.open(`${server.url}/api/me/events`, { user: 'me', access, lastEventId })
  const first = await me()
  await notify(server, { to: ['someone else'], title: 'not mine' })
  await notify(other, { to: ['me', 'someone else'], title: 'mine' })
  const mine = await first.next()
  expect(mine).toMatchObject({ name: 'notification.added', data: { users: ['me'], data: { title: 'mine' } } })
  first.close()
  const ann = await enterLobby(server, 'team', 'ann')
  const bob = await enterLobby(server, 'secret', 'bob')
  const caller = await join('ann', 'chat/mine')
  callFrom(caller, 'ann', ['me'])
  const stranger = await join('ann', 'chat/not-mine')
  callFrom(stranger, 'ann', ['me'])
  await notify(server, { to: ['me'], title: 'last' })
  const again = await me(mine?.id)
  const told: SentEvent[] = []
  while (told.at(-1)?.name !== 'notification.added') {
    const event = await again.next()
    if (event === undefined) throw new Error('the stream has ended')
    told.push(event)
  }
  expect(told.map(({ name, data }) => [name, data.document]).toSorted()).toEqual([
    ['call.started', 'chat/mine'],
    ['notification.added', undefined],
    ['user.online', 'lobby/team'],
  ])
  again.close()
  for (const client of [ann, bob]) client.destroy()
})
