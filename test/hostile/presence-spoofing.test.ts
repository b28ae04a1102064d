import * as encoding from 'lib0/encoding'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { entriesOf, lastSeenOf, setLobbyEntry } from '../../model/lobby.ts'
import { lobbyOf } from '../../model/rooms.ts'
import { SyncType } from '../../server/connection/frames.ts'
import { forge } from '../support/chat-forgery.ts'
import { type Client, until, whenDocument } from '../support/clients.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import { Instances } from '../support/instances.ts'
import { enterLobby, whenLastSeen } from '../support/lobby-member.ts'
import {
  authMessage,
  awarenessMessage,
  awarenessUpdate,
  openFrameSocket,
  openYFrameSocket,
  syncMessage,
  syncPayload,
  updateMessage,
} from '../support/messages.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { databaseUrl, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'
import { type Outcome, runAttacks } from './attack.ts'

const group = 'hold'
const name = lobbyOf(group)
const CHANGES_PER_SECOND = 20

let redis: TestRedis
let instances: Instances
/** Where mallory comes to. */
let near: TestServer
/** ann beside mallory, ben on the other instance: honest ones, who watch. */
let ann: Client
let ben: Client
let untouched = ''
let lastClient = 5_000
/** What an honest one saw that nobody honest did. */
const sightings: string[] = []

beforeAll(async () => {
  redis = await startRedis()
  const environment = { PRESENCE_CHANGES_PER_SECOND: String(CHANGES_PER_SECOND) }
  instances = await Instances.start(2, { databaseUrl: databaseUrl(temporaryFolder()), redis, environment })
  const [one, other] = instances.all
  if (one === undefined || other === undefined) throw new Error('two instances are needed')
  near = one.server
  ann = await enterLobby(near, group, 'ann')
  ben = await enterLobby(other.server, group, 'ben')
  setLobbyEntry(ann.ydoc, 'ann', { status: 'busy', activity: 'on guard' })
  setLobbyEntry(ben.ydoc, 'ben', { status: 'online' })
  await Promise.all([ann.saved(), ben.saved()])
  const carol = await enterLobby(near, group, 'carol')
  await whenShown(ben, carol.ydoc.clientID)
  carol.destroy()
  await Promise.all([whenLastSeen(ann, 'carol'), whenLastSeen(ben, 'carol')])
  await whenDocument(ann.ydoc, () => entriesOf(ann.ydoc).size === 2)
  await whenDocument(ben.ydoc, () => entriesOf(ben.ydoc).size === 2)
  await Promise.all([whenShown(ann, ben.ydoc.clientID), whenShown(ben, ann.ydoc.clientID)])
  untouched = contentOf(ann)
  expect(contentOf(ben)).toBe(untouched)
  for (const client of [ann, ben]) watch(client)
})

beforeEach(() => {
  sightings.length = 0
})

afterAll(async () => {
  ann.destroy()
  ben.destroy()
  await instances.close()
  await redis.stop()
})

function awarenessOf({ provider }: Client): Awareness {
  if (provider.awareness === null) throw new Error('the provider has no awareness')
  return provider.awareness
}

function whenShown(client: Client, other: number, field?: number): Promise<void> {
  const awareness = awarenessOf(client)
  const isShown = () => {
    const state = awareness.getStates().get(other)
    return state !== undefined && (field === undefined || state.round === field)
  }
  return until(isShown, (check) => {
    awareness.on('change', check)
    return () => awareness.off('change', check)
  })
}

function contentOf({ ydoc }: Client): string {
  // Of mallory the server writes it, too, when there is time between two attacks.
  const { mallory: _mallory, ...lastSeen } = lastSeenOf(ydoc).toJSON()
  const entries = entriesOf(ydoc).toJSON()
  return JSON.stringify([
    Object.entries(entries).sort(),
    Object.entries(lastSeen).sort(),
    [...ydoc.share.keys()].sort(),
  ])
}

/** Notes whatever is wrong with what an honest one is shown. */
function watch(client: Client): void {
  const awareness = awarenessOf(client)
  const honest = new Map([ann, ben].map(({ ydoc }, index) => [ydoc.clientID, ['ann', 'ben'][index]]))
  awareness.on('update', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
    for (const id of removed) if (honest.has(id)) sightings.push(`${honest.get(id)} was removed`)
    for (const id of [...added, ...updated]) {
      if (id === awareness.clientID) continue
      const { user, ...state } = awareness.getStates().get(id) ?? {}
      const owner = honest.get(id) ?? 'mallory'
      if (user?.id !== owner || user?.name !== owner) sightings.push(`${owner} is shown as ${JSON.stringify(user)}`)
      if (honest.has(id) && Object.keys(state).join() !== 'round') sightings.push(`${owner} shows more`)
      if (JSON.stringify(state).length > 20_000) sightings.push('a huge state')
      for (const key of ['__proto__', 'constructor', 'prototype'])
        if (JSON.stringify({ user, ...state }).includes(`"${key}"`)) sightings.push(`a key ${key}`)
    }
  })
}

let round = 0

/** Resolves once both honest ones have heard of each other what came after an attack: then so they have of that. */
async function heardAll(): Promise<void> {
  round += 1
  for (const { provider } of [ann, ben]) provider.setAwarenessField('round', round)
  await Promise.all([whenShown(ann, ben.ydoc.clientID, round), whenShown(ben, ann.ydoc.clientID, round)])
}

function state(client: number, clock: number, value: unknown, dialect: string | null = name): Uint8Array {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return awarenessMessage(dialect, awarenessUpdate([{ client, clock, state: text }]))
}

function nextClient(): number {
  lastClient += 1
  return lastClient
}

/** The Yjs client id that the server has written with. */
function serverClient(): number {
  const item = lastSeenOf(ann.ydoc)._map.get('carol')
  if (item === undefined) throw new Error('carol was not seen')
  return item.id.client
}

type Run = (socket: FrameSocket) => void
const shows =
  (client: () => number, clock: number, value: unknown): Run =>
  (socket) =>
    socket.send(state(client(), clock, value))

const writes =
  (edit: (ydoc: Y.Doc) => void, client: () => number = nextClient): Run =>
  (socket) =>
    socket.send(updateMessage(name, forge(ann.ydoc, client(), edit)))

const idOf = {
  ann: () => ann.ydoc.clientID,
  ben: () => ben.ydoc.clientID,
}
const asAnn = { user: { id: 'ann', name: 'ann' }, idle: true }
const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

const attacks: Record<string, [expected: Outcome, run: Run]> = {
  'another’s identity': ['ignored', shows(nextClient, 1, asAnn)],
  'another’s identity, again after an honest state': [
    'ignored',
    (socket) => {
      const client = nextClient()
      socket.send(state(client, 1, { color: 'red' }))
      socket.send(state(client, 2, asAnn))
    },
  ],
  'another’s identity under a repeated key': [
    'ignored',
    shows(nextClient, 1, '{"user":{"id":"mallory"},"user":{"id":"ann","name":"ann"},"\\u0075ser":{"id":"ann"}}'),
  ],
  'an identity that is no object': ['ignored', shows(nextClient, 1, { user: ['ann'] })],
  'an identity that is another’s name': ['ignored', shows(nextClient, 1, { user: 'ann' })],
  'the client id of a neighbour': ['ignored', shows(idOf.ann, 1_000, asAnn)],
  'the client id of somebody on the other instance': ['ignored', shows(idOf.ben, 1_000, asAnn)],
  'the client id of somebody on the other instance, with the highest clock': [
    'ignored',
    shows(idOf.ben, 2 ** 40, { user: { id: 'ben', name: 'ben' } }),
  ],
  'removing a neighbour': ['ignored', shows(idOf.ann, 1_000, 'null')],
  'removing somebody on the other instance': ['ignored', shows(idOf.ben, 1_000, 'null')],
  'removing everybody behind an own state': [
    'ignored',
    (socket) => {
      const entries = [nextClient(), idOf.ann(), idOf.ben()].map((client, index) => ({
        client,
        clock: 1_000,
        state: index === 0 ? '{}' : 'null',
      }))
      socket.send(awarenessMessage(name, awarenessUpdate(entries)))
    },
  ],
  'the client id of the server': ['ignored', shows(serverClient, 1_000, asAnn)],
  'a hundred client ids at once': [
    'ignored',
    (socket) => {
      const entries = Array.from({ length: 100 }, () => ({ client: nextClient(), clock: 1, state: '{"user":{}}' }))
      socket.send(awarenessMessage(name, awarenessUpdate(entries)))
    },
  ],
  'a state of 1 MB': [CloseCode.TooBig, shows(nextClient, 1, { fill: 'x'.repeat(1_000_000) })],
  'a state of 33 levels': [CloseCode.TooBig, shows(nextClient, 1, nested(33))],
  'a state of 3000 levels': [CloseCode.TooBig, shows(nextClient, 1, nested(3_000))],
  'prototype keys': [
    'ignored',
    shows(
      nextClient,
      1,
      '{"__proto__":{"user":{"id":"ann"}},"user":{"constructor":{"prototype":{"id":"ann"}},"__proto__":{"id":"ann"}},"\\u005f_proto__":{"id":"ann"}}',
    ),
  ],
  'a clock beyond all': [CloseCode.Malformed, shows(nextClient, 2 ** 41, {})],
  'a state that is text': [CloseCode.Malformed, shows(nextClient, 1, '"ann"')],
  'a state that is a list': [CloseCode.Malformed, shows(nextClient, 1, '[{"user":{"id":"ann"}}]')],
  'a state that is no JSON': [CloseCode.Malformed, shows(nextClient, 1, '{"user":')],
  'more states than it says there are, and fewer': [
    CloseCode.Malformed,
    (socket) => {
      const entries = [{ client: nextClient(), clock: 1, state: '{}' }]
      socket.send(awarenessMessage(name, awarenessUpdate(entries, 0)))
      socket.send(awarenessMessage(name, awarenessUpdate(entries, 9_000)))
    },
  ],
  'states without end': [
    CloseCode.Malformed,
    (socket) =>
      socket.send(
        awarenessMessage(
          name,
          encoding.encode((encoder) => encoding.writeVarUint(encoder, 2 ** 31)),
        ),
      ),
  ],
  'changes too often': [
    CloseCode.TooMany,
    (socket) => {
      const client = nextClient()
      for (let clock = 1; clock <= 70 * CHANGES_PER_SECOND; clock += 1) socket.send(state(client, clock, { clock }))
    },
  ],
  'an entry of another': [CloseCode.Forbidden, writes((ydoc) => setLobbyEntry(ydoc, 'ann', { status: 'online' }))],
  'an entry of another, under their client id': [
    CloseCode.ClientIdTaken,
    writes((ydoc) => setLobbyEntry(ydoc, 'ann', { status: 'online' }), idOf.ann),
  ],
  'an entry of another, under the client id of the server': [
    CloseCode.ClientIdTaken,
    writes((ydoc) => setLobbyEntry(ydoc, 'ann', { status: 'online' }), serverClient),
  ],
  'removing an entry': [CloseCode.Forbidden, writes((ydoc) => entriesOf(ydoc).delete('ben'))],
  'when one was last seen': [CloseCode.Forbidden, writes((ydoc) => lastSeenOf(ydoc).set('mallory', 1))],
  'when another was last seen': [CloseCode.Forbidden, writes((ydoc) => lastSeenOf(ydoc).set('carol', 1))],
  'when another was last seen, under the client id of the server': [
    CloseCode.ClientIdTaken,
    writes((ydoc) => lastSeenOf(ydoc).set('carol', 1), serverClient),
  ],
  'never having been seen': [CloseCode.Forbidden, writes((ydoc) => lastSeenOf(ydoc).delete('carol'))],
  'an entry of a prototype': [
    CloseCode.Forbidden,
    writes((ydoc) => setLobbyEntry(ydoc, '__proto__', { status: 'busy' })),
  ],
  'an activity of 1 MB': [
    CloseCode.Forbidden,
    writes((ydoc) => setLobbyEntry(ydoc, 'mallory', { status: 'busy', activity: 'x'.repeat(1_000_000) })),
  ],
  'a deep entry': [
    CloseCode.Forbidden,
    writes((ydoc) => {
      const deep: unknown = JSON.parse(nested(2_000))
      ydoc.getMap('entries').set('mallory', { status: 'busy', deep })
    }),
  ],
  'another root': [CloseCode.Forbidden, writes((ydoc) => ydoc.getMap('members').set('mallory', true))],
}

async function answered(socket: FrameSocket, dialect: string | null = name): Promise<void> {
  const before = socket.messages.length
  socket.send(syncMessage(dialect, SyncType.Step1, Y.encodeStateVector(new Y.Doc())))
  await socket.message(
    (message) =>
      socket.messages.indexOf(message) >= before &&
      syncPayload(message, SyncType.Step2, dialect !== null) !== undefined,
  )
}

async function expectUntouched(): Promise<void> {
  await heardAll()
  expect(sightings).toEqual([])
  expect(contentOf(ann)).toBe(untouched)
  expect(contentOf(ben)).toBe(untouched)
  expect(({} as Record<string, unknown>).user).toBeUndefined()
}

test.each(Object.entries(attacks))('[promise 3] %s harms nobody, here or elsewhere', async (title, [expected, run]) => {
  await runAttacks([{ title, run, expected }], () => openFrameSocket(near, name), answered)
  await expectUntouched()
})

test('[promise 3] in the dialect of y-websocket, too', async () => {
  const socket = await openYFrameSocket(near, name)
  for (const [client, value] of [
    [nextClient(), asAnn],
    [idOf.ann(), asAnn],
    [idOf.ben(), 'null'],
  ] as const) {
    socket.send(state(client, 1_000, value, null))
  }
  await answered(socket, null)
  await expectUntouched()
  socket.destroy()
})

test('[promise 3] who may only read shows themselves, and writes nothing', async () => {
  const token = tokenFor('mallory', { access: { [name]: 'read' } })
  const socket = await openFrameSocket(near, name, { token })
  socket.send(state(nextClient(), 1, asAnn))
  writes((ydoc) => setLobbyEntry(ydoc, 'mallory', { status: 'busy' }))(socket)
  await Promise.race([answered(socket), socket.closed])
  await expectUntouched()
  socket.destroy()
})

test('[promise 3] who has no grant for the lobby sees and shows nothing', async () => {
  const token = tokenFor('mallory', { access: { 'notes/**': 'write' } })
  await expect(openFrameSocket(near, name, { token })).rejects.toThrow('denied')
  const socket = await FrameSocket.open(near)
  socket.send(authMessage(name, token))
  socket.send(state(nextClient(), 1, asAnn))
  // Answered behind all of that.
  socket.send(authMessage('notes/own', token))
  socket.send(syncMessage('notes/own', SyncType.Step1, Y.encodeStateVector(new Y.Doc())))
  await socket.message((message) => syncPayload(message, SyncType.Step2) !== undefined)
  await expectUntouched()
  socket.destroy()
})
