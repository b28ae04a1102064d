import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { callsOf } from '../../model/calls.ts'
import { messagesOf, readsOf, setReaction } from '../../model/chat.ts'
import { CloseCode } from '../../model/close-codes.ts'
import { setLobbyEntry } from '../../model/lobby.ts'
import { directChat, inboxOf } from '../../model/rooms.ts'
import { openLog } from '../../persistence/open-log.ts'
import { filesWith } from '../persistence/files-with.ts'
import { act, callFrom, whenCall } from '../support/calls.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { openClient, whenDocument } from '../support/clients.ts'
import { openInbox, whenTitles } from '../support/inbox.ts'
import { enterLobby, whenLastSeen } from '../support/lobby-member.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { isSoak } from '../support/random.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { databaseUrl, startServer, type TestServer, temporaryFolder } from '../support/server.ts'

// Nothing else is written like these.
const USER = 'zoe-7f3a'
const NAME = 'Zoe Quuxname'
const MARKERS = ['needle-one', 'needle-two', 'needle-three', 'needle-four']
const asUser: RestOptions = { user: USER, name: NAME }
const asAdmin: RestOptions = { user: 'root', access: {}, admin: true }
const path = `/api/users/${USER}`
/** It goes through two starts of servers and many steps, one after the other. */
const TIMEOUT_MS = 180_000

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

/** What zoe does in two documents, their chats, a direct chat, a lobby and a call, and others with her. */
async function live(server: TestServer): Promise<void> {
  const ask = (place: string, options: RestOptions) => rest(server, place, options)
  for (const [user, name, text] of [
    [USER, 'notes/a', 'her words'],
    ['bob', 'notes/a', 'his words'],
    [USER, 'notes/b', 'more of hers'],
  ] as const) {
    const client = openClient(server, name, { user })
    await client.synced()
    client.text.insert(client.text.length, text)
    await client.saved()
    client.destroy()
  }
  await ask(documentPath('notes/a', '/versions'), { ...asUser, method: 'POST', body: { name: 'First' } })
  await ask(documentPath('notes/b', '/seen'), { ...asUser, method: 'POST', body: { position: 1 } })

  const post = async (room: string, user: string, body: object) => {
    const answer = await ask(`/api/rooms/${encodeURIComponent(room)}/messages`, { user, method: 'POST', body })
    expect(answer.status).toBe(201)
    return String(answer.body.id)
  }
  // Bob belongs to the chat before he is mentioned in it.
  const first = await post('chat/notes/a', 'bob', { text: 'who is there?' })
  const hers = await post('chat/notes/a', USER, { text: MARKERS[0], replyTo: first, mentions: ['bob'] })
  await post('chat/notes/a', 'bob', { text: 'his answer', replyTo: hers, mentions: [USER] })
  await post(directChat(USER, 'bob'), USER, { text: MARKERS[1] })
  await post(directChat(USER, 'bob'), 'bob', { text: 'bob stays' })
  const body = { to: [USER], kind: 'order', title: MARKERS[2] }
  expect((await ask('/api/notifications', { ...asAdmin, method: 'POST', body })).status).toBe(200)

  const segment = await ChatPeer.open(server, 'chat/notes/a@1', { user: USER })
  segment.edit((ydoc) => {
    for (const message of messagesOf(ydoc)) if (message.get('id') === first) setReaction(message, '👍', USER, true)
  })
  await segment.answered(1)
  const head = await ChatPeer.open(server, 'chat/notes/a', { user: USER })
  head.edit((ydoc) => readsOf(ydoc).set(USER, 3))
  const call = callFrom(head, USER, ['bob'])
  await whenCall(head, call, 'ringing')
  act(head, call, 'cancel', USER)
  await whenCall(head, call, 'cancelled')

  const bob = await enterLobby(server, 'team', 'bob')
  const device = await enterLobby(server, 'team', USER)
  setLobbyEntry(device.ydoc, USER, { status: 'busy', activity: MARKERS[3] ?? '' })
  await device.saved()
  device.destroy()
  await whenLastSeen(bob, USER)
  const inbox = await openInbox(server, 'bob')
  await whenTitles(inbox, 'You were mentioned in notes/a', 'Missed video call in notes/a')
  for (const client of [bob, inbox, segment, head]) client.destroy()
}

async function linesOf(server: TestServer, options: RestOptions) {
  const answer = await rest(server, `${path}/export`, { ...options, method: 'POST' })
  expect([answer.status, answer.type]).toEqual([200, 'application/x-ndjson'])
  return answer.text
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line))
}

async function whenErased(server: TestServer, id: string) {
  await expect
    .poll(async () => (await rest(server, `${path}/erasures/${id}`, asAdmin)).body.status, { timeout: TIMEOUT_MS })
    .toBe('done')
  return (await rest(server, `${path}/erasures/${id}`, asAdmin)).body
}

describe.each(isSoak ? ['SQLite', 'Postgres'] : ['SQLite'])('a person on %s', (database) => {
  test(
    'is exported whole, and erased everywhere and from the database, also when the server is killed meanwhile',
    async () => {
      const folder = database === 'SQLite' ? temporaryFolder() : await postgres.createDatabase()
      let server = await startServer({ folder, environment: { CALL_RING_TIME: '60000' } })
      onTestFinished(async () => {
        await server.kill()
      })
      await live(server)
      const log = await openLog({ url: databaseUrl(folder), encryptionKey: undefined, create: false, onProblem() {} })
      const subscription = { endpoint: 'https://push.example/zoe', p256dh: 'p', auth: 'a' }
      await log.pushes.subscribe({ room: inboxOf(USER), at: 1, subscription }, { max: 1 })
      await log.close()

      let exported: Awaited<ReturnType<typeof linesOf>> = []
      // What follows from what she did is stored a little later. An admin gets the same.
      let adminExports = 0
      const compared = async () => {
        exported = await linesOf(server, asUser)
        adminExports += 1
        const request = { ...asAdmin, headers: { 'x-request-id': `export-${adminExports}` } }
        return (await linesOf(server, request)).length - exported.length
      }
      await expect.poll(compared, { interval: 1_000 }).toBe(0)
      expect(exported.at(-1)).toEqual({ kind: 'end', lines: exported.length - 1 })
      const find = (kind: string) => exported.filter((line) => line.kind === kind)
      expect(find('document')).toContainEqual(expect.objectContaining({ document: 'notes/a', updates: 1, clients: 1 }))
      expect(find('document')).toContainEqual(expect.objectContaining({ document: 'notes/b', updates: 1 }))
      expect(find('version')).toMatchObject([{ document: 'notes/a', name: 'First' }])
      expect(find('seen')).toMatchObject([{ document: 'notes/b', position: 1 }])
      expect(find('message').map(({ message }) => message)).toMatchObject([{ text: MARKERS[0] }, { text: MARKERS[1] }])
      expect(find('direct-chat')).toEqual([{ kind: 'direct-chat', room: directChat(USER, 'bob'), with: 'bob' }])
      expect(find('notification').map(({ notification }) => notification)).toMatchObject([
        { kind: 'order', title: MARKERS[2] },
        { kind: 'mention' },
      ])
      for (const kind of [
        'mention',
        'reaction',
        'read-mark',
        'call',
        'lobby',
        'last-seen',
        'push-subscription',
        'event',
      ])
        expect([kind, find(kind).length > 0]).toEqual([kind, true])

      for (const [method, place] of [
        ['POST', 'export'],
        ['POST', 'erase'],
        ['GET', 'erasures/x'],
      ] as const)
        expect((await rest(server, `${path}/${place}`, { user: 'bob', method })).status).toBe(403)
      expect((await rest(server, `${path}/erase`, { ...asUser, method: 'POST' })).status).toBe(403)

      // What is looked for in the end is there now.
      for (const text of [USER, ...MARKERS]) expect([text, await placesWith(folder, text)]).not.toEqual([text, []])
      // Bob looks on, and zoe is there, on another instance.
      const other = await startServer({ folder })
      onTestFinished(() => other.kill())
      const [segment, document] = [
        openClient(other, 'chat/notes/a@1', { user: 'bob' }),
        openClient(server, 'notes/a', { user: 'bob' }),
      ]
      const hers = openClient(other, 'notes/a', { user: USER })
      const here = await enterLobby(other, 'team', USER)
      here.socket.on('close', () => here.destroy()) // or it would come back
      onTestFinished(() => {
        for (const client of [segment, document, hers]) client.destroy()
      })
      await Promise.all([segment.synced(), document.synced(), hers.synced()])
      const closed = new Promise((resolve) => {
        hers.socket.on('close', ({ event }: { event: { code: number } }) => resolve(event.code))
      })
      const begun = await rest(server, `${path}/erase`, { ...asAdmin, method: 'POST' })
      expect(begun.status).toBe(202)
      const id = String(begun.body.id)
      // It has begun, and goes on: there, or here after a start.
      const counted = async () => (await rest(server, `${path}/erasures/${id}`, asAdmin)).text
      await expect.poll(counted, { interval: 5, timeout: TIMEOUT_MS }).toContain('"subscriptions":1')
      await server.kill()
      server = await server.restart()
      expect(await closed).toBe(CloseCode.Unauthorized)
      hers.destroy()
      const receipt = await whenErased(server, id)
      expect(receipt).toMatchObject({
        id,
        by: 'root',
        user: USER,
        status: 'done',
        documents: ['notes/a', 'notes/b'],
        failed: [],
      })
      expect(receipt.problem).toBeUndefined()
      const audit = await rest(server, '/api/admin/audit', asAdmin)
      const erasing = { admin: 'root', action: 'erase-user', user: '', detail: id, outcome: 'done' }
      expect(audit.body.actions).toContainEqual(expect.objectContaining(erasing))
      // Their own export is nobody else's business, and an admin's names nobody.
      expect(audit.text.match(/"export-user"/g)).toHaveLength(adminExports)
      const exporting = { admin: 'root', action: 'export-user', user: '', detail: `export-${adminExports}` }
      expect(audit.body.actions).toContainEqual(expect.objectContaining({ ...exporting, outcome: 'done' }))
      const { counts } = receipt
      // What was being counted when it was killed is not.
      expect(counts).toMatchObject({ subscriptions: 1, notifications: 2 })
      await whenDocument(segment.ydoc, () =>
        messagesOf(segment.ydoc)
          .toArray()
          .some((message) => message.has('deletedAt')),
      )
      expect(
        messagesOf(segment.ydoc)
          .toJSON()
          .map(({ text, author }) => [text, author]),
      ).toEqual([
        ['who is there?', 'bob'],
        ['', expect.stringMatching(/^erased-/)],
        ['his answer', 'bob'],
      ])
      expect(document.text.toString()).toBe('her wordshis words')

      // Asked again there is nothing left, and another id tells nothing.
      const again = await rest(server, `${path}/erase`, { ...asAdmin, method: 'POST' })
      const second = await whenErased(server, String(again.body.id))
      expect(second).toMatchObject({ documents: [], documentCount: 0 })
      expect(Object.values(second.counts ?? {}).filter((count) => count !== 0)).toEqual([])
      expect((await rest(server, `/api/users/bob/erasures/${id}`, asAdmin)).status).toBe(404)
      expect((await linesOf(server, asAdmin)).map(({ kind }) => kind)).toEqual(['person', 'end'])

      for (const client of [segment, document]) client.destroy()
      const blame = await rest(server, documentPath('notes/a', '/blame'), { user: 'bob' })
      expect(blame.text).toMatch(/erased-/)
      expect(blame.text).toContain('bob')
      expect(blame.text).not.toContain(USER)
      const rooms = await rest(server, '/api/documents?prefix=dm/', { user: 'bob' })
      const [chat] = Array.isArray(rooms.body.documents) ? rooms.body.documents : []
      const messages = await rest(server, `/api/rooms/${encodeURIComponent(chat?.name)}/messages`, { user: 'bob' })
      expect(messages.body.messages).toMatchObject([
        { text: '', seq: 1 },
        { text: 'bob stays', author: 'bob', seq: 2 },
      ])
      const newcomer = openClient(server, 'chat/notes/a', { user: 'bob' })
      await newcomer.synced()
      expect(callsOf(newcomer.ydoc).toJSON()).toMatchObject([{ to: ['bob'], from: expect.stringMatching(/^erased-/) }])
      newcomer.destroy()

      for (const text of [USER, NAME, ...MARKERS]) expect([text, await placesWith(folder, text)]).toEqual([text, []])
      const checking = await openLog({
        url: databaseUrl(folder),
        encryptionKey: undefined,
        create: false,
        onProblem() {},
      })
      expect(await Array.fromAsync(checking.check())).toEqual([])
      await checking.close()
    },
    TIMEOUT_MS,
  )
})

/** The files of an SQLite database, or the tables of one in Postgres, that hold a text, as it is or in bytes. */
async function placesWith(place: string, text: string): Promise<unknown[]> {
  if (!place.startsWith('postgres:')) return filesWith(place, text)
  const tables = await postgres.query(place, `SELECT tablename FROM pg_tables WHERE schemaname = 'coweave'`)
  const found = await Promise.all(
    tables.map(async ([table]) => {
      const sql = `SELECT 1 FROM coweave.${table} AS t WHERE strpos(t::text, $1) + strpos(t::text, $2) > 0`
      const rows = await postgres.query(place, sql, [text, Buffer.from(text).toString('hex')])
      return rows.length > 0 ? [table] : []
    }),
  )
  return found.flat()
}
