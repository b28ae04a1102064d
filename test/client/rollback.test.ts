import 'fake-indexeddb/auto'
import { IDBFactory } from 'fake-indexeddb'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { CollaborativeDocument, RefusedChange, Session } from '../../client/api.ts'
import { type ChatMessage, messagesOf, openSegmentOf, sendMessage } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import { closeSessions, openSession, whenState } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let room = ''
let rooms = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

beforeEach(async () => {
  vi.stubGlobal('indexedDB', new IDBFactory())
  rooms += 1
  room = `chat/rollback/${rooms}`
  // The server writes down which segment is open once somebody has the head open.
  const head = openSession(server, { keepLocally: false }).document(room)
  await whenDocument(head, () => openSegmentOf(head.ydoc) === 1)
})

afterEach(() => {
  closeSessions()
  vi.unstubAllGlobals()
})

function whenDocument(document: CollaborativeDocument, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const follow = () => document.ydoc.on('update', check)
    const check = () => condition() && resolve()
    document.onReplaced(() => {
      follow()
      check()
    })
    follow()
    check()
  })
}

function openSegment(session: Session): { document: CollaborativeDocument; changes: RefusedChange[] } {
  const document = session.document(segmentName(room, 1))
  const changes: RefusedChange[] = []
  document.onRefused((change) => changes.push(change))
  return { document, changes }
}

function texts(document: CollaborativeDocument): string[] {
  return messagesOf(document.ydoc)
    .map((message) => message.toJSON() as ChatMessage)
    .map(({ text }) => text)
}

test('a change refused after a reload is taken out of the local copy too', async () => {
  const first = openSession(server)
  await openSegment(first).document.whenSynced
  first.close()

  const train = openSession(server, {
    user: 'ann',
    token: async () => {
      throw new Error('no network')
    },
  })
  const offline = openSegment(train).document
  await offline.whenReady
  sendMessage(offline.ydoc, 'mallory', { text: 'forged' })
  await whenState(offline.state, ({ unkept }) => unkept === 0)
  train.close()

  const back = openSession(server)
  const { document, changes } = openSegment(back)
  await document.whenReady
  expect(texts(document)).toEqual(['forged'])
  await whenDocument(document, () => texts(document).length === 0)
  expect(changes).toHaveLength(1)
  await whenState(document.state, ({ kept, unsaved, synced }) => kept && synced && unsaved === 0)
  sendMessage(document.ydoc, 'ann', { text: 'good' })
  await document.whenSaved()
  back.close()

  const later = openSession(server)
  const again = openSegment(later)
  await again.document.whenReady
  expect(texts(again.document)).toEqual(['good'])
  await again.document.whenSynced
  await again.document.whenSaved()
  expect(again.changes).toEqual([])
})

test('a change that another tab has as well is taken back in both', async () => {
  const one = openSegment(openSession(server))
  const two = openSegment(openSession(server))
  await Promise.all([one.document.whenSynced, two.document.whenSynced])
  sendMessage(one.document.ydoc, 'ann', { text: 'good' })
  await whenDocument(two.document, () => texts(two.document).length === 1)
  sendMessage(one.document.ydoc, 'mallory', { text: 'forged' })
  await Promise.all([one, two].map(({ document }) => new Promise((resolve) => document.onReplaced(resolve))))
  for (const { document } of [one, two]) {
    await whenState(document.state, ({ synced, kept, unsaved }) => synced && kept && unsaved === 0)
    expect(texts(document)).toEqual(['good'])
  }
  sendMessage(two.document.ydoc, 'ann', { text: 'goes on' })
  await two.document.whenSaved()
  await whenDocument(one.document, () => texts(one.document).length === 2)
  expect(texts(one.document)).toEqual(['good', 'goes on'])
})

test('what a listener throws is reported, and the document goes on', async () => {
  const { document } = openSegment(openSession(server))
  await document.whenSynced
  const reported: unknown[] = []
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => reported.push(error))
  try {
    document.onRefused(() => {
      throw new Error('a mistake of the app')
    })
    sendMessage(document.ydoc, 'mallory', { text: 'forged' })
    await new Promise((resolve) => document.onReplaced(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    expect(reported).toEqual([new Error('a mistake of the app')])
    sendMessage(document.ydoc, 'ann', { text: 'good' })
    await document.whenSaved()
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of before) process.on('uncaughtException', listener)
  }
})
