import { join } from 'node:path'
import { Document, Hocuspocus } from '@hocuspocus/server'
import pino from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { actInCall, callsIn, callsOf, setCourse, startCall } from '../../model/calls.ts'
import { type ChatMessage, messagesOf, readsOf, sendMessage, setReaction } from '../../model/chat.ts'
import { entriesOf, lastSeenOf, setLobbyEntry } from '../../model/lobby.ts'
import { directChat } from '../../model/rooms.ts'
import { forgetKeys } from '../../persistence/map-keys.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { Deletions } from '../../server/documents/deletions.ts'
import { Durability } from '../../server/documents/durability.ts'
import { DirectChats } from '../../server/people/direct-chats.ts'
import { messageWithout } from '../../server/people/messages.ts'
import { isAbout, isNamedAfter, isNamedIn, isNamedInUpdate } from '../../server/people/naming.ts'
import { noCounts } from '../../server/people/receipt.ts'
import { eraseFromHead, eraseFromLobby, eraseFromSegment } from '../../server/people/room-content.ts'
import { RoomEraser, type RoomEraserOptions } from '../../server/people/room-eraser.ts'
import { HeadRules } from '../../server/rooms/head-rules.ts'
import { makeFolder } from '../persistence/folder.ts'

const ann = { user: 'ann', pseudonym: 'erased-1' }
const now = 1_800_000_000_000

function message(changes: Partial<ChatMessage> = {}): ChatMessage {
  return { id: 'm', author: 'bob', at: 1, text: 'ann, come here', seq: 3, receivedAt: 2, ...changes }
}

describe('a message without a person', () => {
  test('is a deleted one of the pseudonym, if it was theirs', () => {
    const theirs = message({
      author: 'ann',
      replyTo: 'r',
      mentions: ['bob'],
      anchor: { start: { tname: 'text' } },
      attachments: [{ name: 'a', type: 'text/plain', size: 1, url: 'https://a.example' }],
      reactions: { '👍 bob': 5, '👍 ann': 6 },
    })
    expect(messageWithout(ann, theirs, now)).toEqual({
      ...message({ author: 'erased-1', text: '', replyTo: 'r', attachments: [], reactions: { '👍 bob': 5 } }),
      deletedAt: now,
    })
    expect(messageWithout(ann, message({ author: 'ann', text: '', deletedAt: 7 }), now)?.deletedAt).toBe(7)
  })

  test('of somebody else loses mention and reaction and nothing else, and stays as it is without them', () => {
    const named = message({ mentions: ['cleo', 'ann'], reactions: { '👍 ann': 6, '🎉 joann': 7, '🎉 mary ann': 8 } })
    expect(messageWithout(ann, named, now)).toEqual(
      message({ mentions: ['cleo'], reactions: { '🎉 joann': 7, '🎉 mary ann': 8 } }),
    )
    const mary = { user: 'mary ann', pseudonym: 'erased-1' }
    expect(messageWithout(mary, named, now)?.reactions).toEqual({ '👍 ann': 6, '🎉 joann': 7 })
    expect(messageWithout(ann, message({ mentions: ['anna'], reactions: { '👍 joann': 1 } }), now)).toBeUndefined()
  })
})

test('who is named in what', () => {
  expect(isNamedIn('ann', { to: [{ user: 'ann' }] })).toBe(true)
  expect(isNamedIn('ann', { 'end ann': 'phone' })).toBe(true)
  expect(isNamedIn('ann', { text: 'ann was here', 'end joann': null, to: ['anna', 1, undefined] })).toBe(false)
  expect(isNamedAfter('ann', 'inbox/ann')).toBe(true)
  expect(isNamedAfter('ann', 'dm/ann,bob@3')).toBe(true)
  for (const name of ['inbox/anna', 'dm/bob,joann', 'dm/ann', 'notes/ann', 'chat/ann'])
    expect([name, isNamedAfter('ann', name)]).toEqual([name, false])
  const event = { id: 'e', number: 1, kind: 'k', at: 1, document: 'chat/a', users: ['bob'], json: '{"from":"cleo"}' }
  expect(isAbout('ann', event)).toBe(false)
  for (const other of [{ users: ['ann'] }, { document: 'dm/ann,bob' }, { json: '{"parties":[{"user":"ann"}]}' }])
    expect(isAbout('ann', { ...event, ...other })).toBe(true)
})

/** Whether the document names ann, once its removed keys are forgotten. */
function namesAnn(doc: Y.Doc): boolean {
  forgetKeys(doc, 'ann')
  return isNamedInUpdate('ann', Y.encodeStateAsUpdate(doc))
}

test('segments, heads and lobbies name nobody any more who was erased, and keep what the others have', () => {
  const segment = new Y.Doc()
  sendMessage(segment, 'ann', { text: 'secret', mentions: ['bob'] })
  sendMessage(segment, 'bob', { text: 'ann?', mentions: ['ann'] })
  const [, second] = messagesOf(segment).toArray()
  if (second !== undefined) for (const user of ['ann', 'bob']) setReaction(second, '👍', user, true)
  segment.transact(() => eraseFromSegment(segment, ann))
  expect(messagesOf(segment).toJSON()).toMatchObject([
    { author: 'erased-1', text: '', deletedAt: expect.any(Number) },
    { author: 'bob', text: 'ann?', mentions: [], reactions: { '👍 bob': expect.any(Number) } },
  ])
  expect(messagesOf(segment).get(0).has('mentions')).toBe(false)
  expect(namesAnn(segment)).toBe(false)

  const head = new Y.Doc()
  const rules = new HeadRules()
  rules.watch(head)
  for (const mark of [5, 4]) for (const user of ['ann', 'bob']) readsOf(head).set(user, mark)
  startCall(head, { from: 'ann', to: ['bob', 'cleo'], media: 'video', device: 'ann1' })
  startCall(head, { from: 'bob', to: ['ann'], media: 'audio', device: 'bob1' })
  startCall(head, { from: 'bob', to: ['cleo'], media: 'audio', device: 'bob1' })
  const [first, toAnn] = callsOf(head).toArray()
  if (first !== undefined) actInCall(first, 'cancel', 'ann', 'ann1')
  const parties = [{ user: 'ann', state: 'joined', device: 'ann1' } as const]
  if (toAnn !== undefined) setCourse(toAnn, { state: 'answered', at: 1, parties })
  head.transact(() => expect(eraseFromHead(head, ann)).toEqual({ readMarks: 1, calls: 2 }))
  rules.restore(head) // bob's mark, which was moved back, and not the one that is gone
  expect(readsOf(head).toJSON()).toEqual({ bob: 5 })
  expect(callsIn(head)).toMatchObject([
    { from: 'bob', to: ['erased-1'], state: 'answered', parties: [{ user: 'erased-1', device: 'erased' }] },
    { from: 'erased-1', to: ['bob', 'cleo'] },
    { from: 'bob', to: ['cleo'] },
  ])
  expect(JSON.stringify(callsOf(head))).toContain('"cancel erased-1":"erased"')
  expect(namesAnn(head)).toBe(false)

  const lobby = new Y.Doc()
  setLobbyEntry(lobby, 'ann', { status: 'busy' })
  for (const user of ['ann', 'bob']) lastSeenOf(lobby).set(user, 1)
  lobby.transact(() => expect(eraseFromLobby(lobby, ann)).toEqual({ lobbyEntries: 1, lastSeen: 1 }))
  expect([entriesOf(lobby).toJSON(), lastSeenOf(lobby).toJSON()]).toEqual([{}, { bob: 1 }])
  expect(isNamedInUpdate('ann', Y.encodeStateAsUpdate(lobby))).toBe(true)
  expect(namesAnn(lobby)).toBe(false)
})

test('a room whose old snapshots could not be replaced is not done', async () => {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  const durability = newDurability(log)
  onTestFinished(async () => {
    durability.close()
    await log.close()
  })
  const rooms: RoomEraserOptions['rooms'] = {
    async withDocument(name, use) {
      const document = new Document(name)
      for (const part of (await log.load(name)).parts) Y.applyUpdate(document, part)
      const before = Y.encodeStateVector(document)
      const result = await use(document)
      const data = Y.encodeStateAsUpdate(document, before)
      await log.append([{ document: name, at: 1, author: '', clients: [], data }])
      document.destroy()
      return result
    },
    async stamp() {},
  }
  await rooms.withDocument('lobby/team', (lobby) => setLobbyEntry(lobby, 'ann', { status: 'busy' }))
  const eraser = new RoomEraser({ log, durability, rooms, openDocument: () => undefined, letGo() {} })
  // As when another process is just writing one.
  const scrub = vi.spyOn(log.people, 'scrub').mockResolvedValue(0)
  await expect(eraser.erase('lobby/team', ann, noCounts())).rejects.toMatchObject({ code: 'storage/unavailable' })
  scrub.mockRestore()
  expect(await eraser.erase('lobby/team', ann, noCounts())).toBe(true)
  expect(await eraser.erase('lobby/team', ann, noCounts())).toBe(false)
})

test('a direct chat stays where its copy is not taken', async () => {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  const durability = newDurability(log)
  onTestFinished(async () => {
    durability.close()
    await log.close()
  })
  const deletions = new Deletions({
    log,
    durability,
    hocuspocus: new Hocuspocus(),
    logger: pino({ level: 'silent' }),
    keptDays: 0,
    onGone() {},
    tell() {},
  })
  const directChats = new DirectChats({ log, deletions })
  const [room, target] = [directChat('ann', 'bob'), directChat('bob', ann.pseudonym)]
  const head = new Y.Doc()
  readsOf(head).set('bob', 1)
  await log.append([{ document: room, at: 1, author: 'bob', clients: [], data: Y.encodeStateAsUpdate(head) }])
  await log.delete(target, { at: 1, by: 'root' })
  const move = async () => {
    for (const [name, documents] of await directChats.of('ann')) await directChats.move(name, documents, ann)
  }
  await expect(move()).rejects.toMatchObject({ code: 'storage/unavailable' })
  expect(await log.load(room)).toMatchObject({ position: 1, deleted: undefined })
  await log.undelete(target)
  await move()
  const moved = new Y.Doc()
  for (const part of (await log.load(target)).parts) Y.applyUpdate(moved, part)
  expect(readsOf(moved).toJSON()).toEqual({ bob: 1 })
  expect(await directChats.of('ann')).toEqual(new Map())
})

function newDurability(log: UpdateLog): Durability {
  return new Durability(log, { commitTimeoutMs: 1_000, onFailure() {}, onLost() {}, onRefused() {}, onRecovered() {} })
}
