import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Call } from '../../model/calls.ts'
import { readsOf } from '../../model/chat.ts'
import { act, callFrom, whenCall } from '../support/calls.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { EventReader, eventsOf, type ToldEvent } from '../support/events.ts'
import { ask, notify } from '../support/inbox.ts'
import { databaseUrl, startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'

const environment = { PING_INTERVAL: '300' }
let server: TestServer
/** On the same database. */
let other: TestServer
let rooms = 0

beforeAll(async () => {
  server = await startServer({ environment })
  other = await startServer({ environment: { ...environment, DATABASE_URL: databaseUrl(server.folder) } })
})
afterAll(async () => {
  await other.kill()
  await server.kill()
})

function newRoom(): string {
  rooms += 1
  return `chat/room ${rooms}`
}

async function join(user: string, room: string, on: TestServer = server): Promise<ChatPeer> {
  const peer = await ChatPeer.open(on, room, { user, understandsRefusals: true })
  onTestFinished(() => peer.destroy())
  return peer
}

interface Parties {
  readonly ann: ChatPeer
  readonly bob: ChatPeer
  readonly id: string
}

async function answeredCall(room: string, bobOn: TestServer = server): Promise<Parties> {
  const [ann, bob] = [await join('ann', room), await join('bob', room, bobOn)]
  const id = callFrom(ann, 'ann', ['bob'])
  await whenCall(bob, id, 'ringing')
  act(bob, id, 'answer', 'bob')
  await Promise.all([whenCall(ann, id, 'answered'), whenCall(bob, id, 'answered')])
  return { ann, bob, id }
}

async function endedCall(room: string): Promise<Call> {
  const { ann, id } = await answeredCall(room)
  act(ann, id, 'end', 'ann')
  return await whenCall(ann, id, 'ended')
}

/** What is told of calls in a room. */
async function callsEnded(room: string, on: TestServer = server): Promise<ToldEvent[]> {
  const { events } = await eventsOf(on, 'kind=call.ended&limit=1000')
  return events.filter(({ document }) => document === room)
}

describe('a call that is over', () => {
  test('is one event, which says how it ended and how long it was', async () => {
    const room = newRoom()
    const call = await endedCall(room)
    const events = await callsEnded(room)
    expect(events).toHaveLength(1)
    const { number: _number, id: _id, ...event } = events[0] ?? expect.fail()
    expect(event).toEqual({
      kind: 'call.ended',
      at: call.endedAt,
      document: room,
      users: ['ann', 'bob'],
      data: { ...call, parties: call.parties.map(({ user, state }) => ({ user, state })) },
    })
    expect(event.data.duration).toBe(Number(call.endedAt) - Number(call.answeredAt))
  })

  test.each(['declined', 'cancelled'] as const)('is an event also where it was %s', async (state) => {
    const room = newRoom()
    const [ann, bob] = [await join('ann', room), await join('bob', room)]
    const id = callFrom(ann, 'ann', ['bob'])
    await whenCall(bob, id, 'ringing')
    if (state === 'declined') act(bob, id, 'decline', 'bob')
    if (state === 'cancelled') act(ann, id, 'cancel', 'ann')
    await whenCall(bob, id, state)
    const data = (await callsEnded(room)).map((event) => event.data)
    expect(data).toEqual([expect.objectContaining({ id, state, from: 'ann', to: ['bob'], media: 'video' })])
    expect(data[0]).not.toHaveProperty('duration')
  })

  test('is one event where it is ended on two instances at once', async () => {
    const room = newRoom()
    const { ann, bob, id } = await answeredCall(room, other)
    act(ann, id, 'end', 'ann')
    act(bob, id, 'end', 'bob')
    await Promise.all([whenCall(ann, id, 'ended'), whenCall(bob, id, 'ended')])
    expect(await callsEnded(room)).toHaveLength(1)
  })

  test('[promise 1] that somebody heard of is an event after kill -9', async () => {
    const crashing = await startServer({ environment: { CALL_RING_TIME: '1000' } })
    onTestFinished(() => crashing.kill())
    const [ann, bob] = [await join('ann', 'chat/crash', crashing), await join('bob', 'chat/crash', crashing)]
    bob.edit((head) => readsOf(head).set('bob', 1)) // bob belongs to the room: a notification comes with the same commit
    await bob.answered(1)
    const id = callFrom(ann, 'ann', ['bob'])
    await whenCall(ann, id, 'missed')
    await crashing.kill()
    const restarted = await crashing.restart()
    onTestFinished(() => restarted.kill())
    await join('ann', 'chat/crash', restarted)
    const { events } = await eventsOf(restarted)
    expect(events.map(({ kind, users, data }) => [kind, users, data.state])).toEqual([
      ['call.started', ['ann', 'bob'], 'ringing'],
      ['call.ended', ['ann', 'bob'], 'missed'],
      ['notification.added', ['bob'], undefined],
    ])
    expect(events.slice(0, 2).map(({ data }) => data.id)).toEqual([id, id])
  })
})

describe('notifications', () => {
  test('of 10,000 people are one event, with those who had not got it yet', async () => {
    const users = Array.from({ length: 10_000 }, (_, index) => `user ${index}`)
    const { next: after } = await eventsOf(server, `limit=1000`)
    await notify(server, {
      to: users.slice(0, 2),
      key: 'launch',
      title: 'Launched',
      body: 'not told',
      link: '/d/launch',
    })
    const { body } = await notify(server, { to: users, key: 'launch', title: 'Launched', link: '/d/launch' })
    expect(body).toMatchObject({ added: 9_998, known: 2 })
    const { events } = await eventsOf(server, `after=${after}&kind=notification.added`)
    expect(events.map((event) => event.users)).toEqual([users.slice(0, 2), users.slice(2)])
    expect(events[1]?.data).toEqual({
      id: body.id,
      kind: 'test',
      title: 'Launched',
      link: '/d/launch',
      at: events[1]?.at,
    })
  })
})

describe('the stream', () => {
  test('goes on behind Last-Event-ID, without gap or double, also with what other instances commit', async () => {
    const { events } = await eventsOf(server, 'limit=1000')
    const last = events.at(-1)?.number ?? 0
    const reader = await EventReader.open(server, { lastEventId: last, query: 'after=0' })
    const keys = Array.from({ length: 6 }, (_, index) => `stream ${index}`)
    const add = (key: string, on: TestServer) => notify(on, { to: ['ann'], title: key })
    await add(keys[0] ?? '', server)
    const first = await reader.next()
    expect(first?.data.title).toBe(keys[0])
    await add(keys[1] ?? '', other)
    expect((await reader.next())?.data.title).toBe(keys[1])
    reader.close()
    for (const [index, key] of keys.slice(2).entries()) await add(key, index % 2 === 0 ? server : other)
    const again = await EventReader.open(other, { lastEventId: first?.number ?? 0 })
    onTestFinished(() => again.close())
    const titles: unknown[] = []
    while (titles.length < 5) titles.push((await again.next())?.data.title)
    expect(titles).toEqual(keys.slice(1))
  })

  test('tells one kind, ends with its token, and begins with all that is kept', async () => {
    const reader = await EventReader.open(server, { query: 'kind=call.ended', expiresInS: 2 })
    const { events } = await eventsOf(server, 'kind=call.ended&limit=1000')
    expect(events.length).toBeGreaterThan(2)
    for (const event of events) expect(await reader.next()).toEqual(event)
    expect(await reader.next()).toBeUndefined()
  })

  test('ends when the server is stopped, so that its reader goes on elsewhere', async () => {
    const stopping = await startServer({ environment: { ...environment, DATABASE_URL: databaseUrl(server.folder) } })
    const { next: after } = await eventsOf(server, 'limit=1000')
    const reader = await EventReader.open(stopping, { query: `after=${after}` })
    const ended = reader.next()
    expect(await stopping.stop()).toBe(0)
    expect(await ended).toBeUndefined()
  })
})

test('events are for admins alone, and a query that means nothing is refused', async () => {
  expect(await ask(server, '/api/events')).toMatchObject({ status: 403, body: { code: 'access/not-admin' } })
  expect((await fetch(`${server.url}/api/events`)).status).toBe(401)
  for (const query of ['after=-1', 'limit=0', 'limit=1001', 'before=3', 'after=x']) {
    expect((await ask(server, `/api/events?${query}`, { admin: true })).status).toBe(400)
  }
})

test('the guide’s example bills each call once, also when it is started again', async () => {
  const guide = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8')
  const [, code] = /```js title=billing\.js\n([\s\S]*?)```/.exec(guide) ?? []
  const folder = temporaryFolder()
  writeFileSync(joinPath(folder, 'billing.mjs'), code ?? '')
  /** Runs it until it has printed so many lines. */
  const run = async (lines: number): Promise<string[]> => {
    const ADMIN_TOKEN = tokenFor('backend', { admin: true })
    const child = spawn(process.execPath, ['billing.mjs'], {
      cwd: folder,
      env: { SERVER: server.url, ADMIN_TOKEN },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const printed: string[] = []
    for await (const line of createInterface(child.stdout)) {
      printed.push(line)
      if (printed.length >= lines) break
    }
    child.kill('SIGKILL')
    return printed
  }
  const call = await endedCall(newRoom())
  const { events } = await eventsOf(server, 'kind=call.ended&limit=1000')
  const billed = events.filter(({ data }) => data.duration !== undefined)
  const lineOf = ({ id, data }: ToldEvent) => `${id}: ${data.from} pays for ${data.duration} ms of ${data.media}`
  expect(billed.at(-1)?.data.id).toBe(call.id)
  expect(await run(billed.length)).toEqual(billed.map(lineOf))
  const next = await endedCall(newRoom())
  const again = await run(1)
  // What it was killed over, before it wrote that down, comes again.
  const line = (await eventsOf(server, 'kind=call.ended&limit=1000')).events.find(({ data }) => data.id === next.id)
  expect([...billed.slice(-1).map(lineOf), line && lineOf(line)]).toContain(again[0])
})
