import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type * as Y from 'yjs'
import {
  type ChatMessage,
  deleteMessage,
  editMessage,
  messagesOf,
  newMessageId,
  openSegmentOf,
  sendMessage,
  setReaction,
} from '../../model/chat.ts'
import { directChat, segmentName } from '../../model/rooms.ts'
import { type Client, openClient, whenDocument } from '../support/clients.ts'
import { rest } from '../support/rest.ts'
import { startServer, type TestServer, type TokenOptions, temporaryFolder, tokenFor } from '../support/server.ts'

const PER_SEGMENT = 10
const environment = { CHAT_SEGMENT_MESSAGES: String(PER_SEGMENT) }

let server: TestServer
let rooms = 0

beforeAll(async () => {
  server = await startServer({ environment })
})
afterAll(() => server.stop())

interface Answer {
  readonly status: number
  readonly body: {
    readonly messages?: (ChatMessage & { room?: string })[]
    readonly next?: number
    readonly code?: string
  } & Partial<ChatMessage>
}

async function call(path: string, options: { user?: string; body?: unknown; on?: TestServer } & TokenOptions = {}) {
  const { user = 'ann', body, on = server, ...token } = options
  const response = await fetch(`${on.url}${path}`, {
    headers: {
      authorization: `Bearer ${tokenFor(user, token)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  const answer: Answer = { status: response.status, body: await response.json() }
  return answer
}

function newRoom(): string {
  rooms += 1
  return `chat/room ${rooms}/ä`
}

const pathOf = (room: string) => `/api/rooms/${encodeURIComponent(room)}/messages`
const post = (room: string, body: unknown, options = {}) => call(pathOf(room), { ...options, body })

async function archive(room: string, query = '', options: Parameters<typeof call>[1] = {}): Promise<ChatMessage[]> {
  const { status, body } = await call(`${pathOf(room)}?${query}`, options)
  expect(status).toBe(200)
  return body.messages ?? expect.unreachable()
}

async function search(q: string, options: Parameters<typeof call>[1] & { room?: string; limit?: number } = {}) {
  const { room, limit, ...rest } = options
  const query = new URLSearchParams({ q, ...(room ? { room } : {}), ...(limit ? { limit: String(limit) } : {}) })
  return await call(`/api/search/messages?${query}`, rest)
}

async function join(room: string, segment: number, user = 'ann', on = server): Promise<Client> {
  const client = openClient(on, segmentName(room, segment), { user })
  onTestFinished(() => client.destroy())
  await client.synced()
  return client
}

const listOf = ({ ydoc }: Client): ChatMessage[] => messagesOf(ydoc).toJSON()

/** Resolves once all messages of a segment are there and stamped. */
async function stamped(client: Client, count: number): Promise<void> {
  await whenDocument(client.ydoc, () => {
    const list = listOf(client)
    return list.length >= count && list.every(({ seq }) => seq !== undefined)
  })
}

function messageOf({ ydoc }: Client, id: string): Y.Map<unknown> {
  const found = messagesOf(ydoc)
    .toArray()
    .find((message) => message.get('id') === id)
  return found ?? expect.unreachable()
}

/** Resolves once another client has seen what `writer` wrote: then it is committed, and so is what it archived. */
async function seenBy(reader: Client, condition: (messages: readonly ChatMessage[]) => boolean): Promise<void> {
  await whenDocument(reader.ydoc, () => condition(listOf(reader)))
}

describe('GET /api/rooms/<room>/messages', () => {
  test('[promise 1] what any client has seen stamped is in the archive, with edits, deletions and reactions', async () => {
    const room = newRoom()
    const [ann, bob] = [await join(room, 1, 'ann'), await join(room, 1, 'bob')]
    const edited = sendMessage(ann.ydoc, 'ann', { text: 'frist' })
    const deleted = sendMessage(ann.ydoc, 'ann', { text: 'a secret' })
    const liked = sendMessage(ann.ydoc, 'ann', { text: 'hello', replyTo: edited })
    await stamped(bob, 3)
    expect(await archive(room)).toEqual(listOf(bob))
    editMessage(messageOf(ann, edited), 'first')
    deleteMessage(messageOf(ann, deleted))
    setReaction(messageOf(bob, liked), '👍', 'bob', true)
    await seenBy(bob, (list) => list[0]?.text === 'first' && list[1]?.deletedAt !== undefined)
    await seenBy(ann, (list) => Object.keys(list[2]?.reactions ?? {}).length === 1)
    const found = await archive(room)
    expect(found).toEqual(listOf(ann))
    expect(found.map(({ text, seq }) => [seq, text])).toEqual([
      [1, 'first'],
      [2, ''],
      [3, 'hello'],
    ])
    expect(found[2]?.reactions).toEqual({ '👍 bob': expect.any(Number) })
  })

  test('a message that was changed before it was stamped is archived as it is then', async () => {
    const room = newRoom()
    const [ann, bob] = [await join(room, 1, 'ann'), await join(room, 1, 'bob')]
    const [edited, deleted] = [1, 2].map((number) => sendMessage(ann.ydoc, 'ann', { text: `at first ${number}` }))
    editMessage(messageOf(ann, edited ?? ''), 'at last')
    deleteMessage(messageOf(ann, deleted ?? ''))
    await stamped(bob, 2)
    await seenBy(bob, (list) => list[1]?.deletedAt !== undefined)
    expect((await archive(room)).map(({ text }) => text)).toEqual(['at last', ''])
    expect((await search('first', { room })).body).toEqual({ messages: [] })
  })

  test('pages go back over the segments, without gap and overlap', async () => {
    const room = newRoom()
    for (let number = 1; number <= 25; number += 1) expect((await post(room, { text: `${number}` })).status).toBe(201)
    const head = openClient(server, room)
    onTestFinished(() => head.destroy())
    await head.synced()
    expect(openSegmentOf(head.ydoc)).toBe(3)
    const seqs: number[] = []
    for (let query = 'limit=7'; ; ) {
      const { body } = await call(`${pathOf(room)}?${query}`)
      seqs.unshift(...(body.messages ?? []).map(({ seq = 0 }) => seq))
      if (body.next === undefined) break
      query = `limit=7&before=${body.next}`
    }
    expect(seqs).toEqual(Array.from({ length: 25 }, (_, index) => index + 1))
    expect((await archive(room, 'before=11&limit=2')).map(({ text }) => text)).toEqual(['9', '10'])
    // A message of a part that is closed is still edited and deleted, and the archive follows.
    const client = await join(room, 1)
    const id = listOf(client)[4]?.id ?? expect.unreachable()
    const watcher = await join(room, 1, 'bob')
    editMessage(messageOf(client, id), 'five')
    await seenBy(watcher, (list) => list[4]?.text === 'five')
    expect((await archive(room, 'before=6&limit=1')).map(({ text }) => text)).toEqual(['five'])
  })

  test('needs a token that may read the document beside the room, or the room', async () => {
    const room = newRoom()
    await post(room, { text: 'x' })
    const beside = room.slice('chat/'.length)
    const codes = async (access: TokenOptions['access']) => {
      const { status, body } = await call(pathOf(room), { access: access ?? {} })
      return [status, body.code]
    }
    expect(await codes({ [beside]: 'read' })).toEqual([200, undefined])
    expect(await codes({ [room]: 'read' })).toEqual([200, undefined])
    expect(await codes({ 'other/**': 'write' })).toEqual([403, 'access/no-grant'])
    expect((await fetch(`${server.url}${pathOf(room)}`)).status).toBe(401)
    expect((await call(pathOf(room), { expiresInS: -60 })).body.code).toBe('access/token-expired')
  })

  test('a direct chat is for its two members, also when their names hold signs', async () => {
    const room = directChat('ann/lee@example.org', 'bob,%')
    expect((await post(room, { text: 'hi' }, { user: 'bob,%' })).status).toBe(201)
    expect(await archive(room, '', { user: 'ann/lee@example.org', access: {} })).toHaveLength(1)
    expect((await call(pathOf(room), { user: 'carol' })).status).toBe(403)
    expect((await post(room, { text: 'hi' }, { user: 'carol' })).status).toBe(403)
  })

  test.each([
    ['notes/plan', 404, 'chat/no-such-room'],
    ['chat/plan@1', 404, 'chat/no-such-room'],
    ['chat', 400, 'document/bad-name'],
    ['dm/bob,ann', 400, 'document/bad-name'],
    ['chat/../x', 400, 'document/bad-name'],
    [`chat/${'ä'.repeat(200)}`, 400, 'document/bad-name'],
  ])('%s is no room', async (room, status, code) => {
    expect(await call(pathOf(room))).toMatchObject({ status, body: { code } })
    expect(await post(room, { text: 'x' })).toMatchObject({ status, body: { code } })
  })

  test('a room of a long name has its messages', async () => {
    const room = `chat/${'ä'.repeat(120)}`
    expect((await post(room, { text: 'x' })).status).toBe(201)
    expect(await archive(room)).toHaveLength(1)
    expect(await archive('chat/nobody was ever here')).toEqual([])
  })

  test.each(['limit=0', 'limit=101', 'limit=x', 'before=0', 'before=-1', 'before=1.5', 'before=9007199254740993'])(
    '?%s is refused',
    async (query) => {
      expect(await call(`${pathOf('chat/x')}?${query}`)).toMatchObject({
        status: 400,
        body: { code: 'http/bad-request' },
      })
    },
  )
})

describe('GET /api/search/messages', () => {
  test('finds messages of rooms that the token may read, page by page, and follows edits and deletions', async () => {
    const [one, other] = [newRoom(), newRoom()]
    for (let index = 0; index < 6; index += 1) {
      await post(one, { text: `zebra crossing ${index}` })
      await post(other, { text: `ZEBRA stripes ${index}` })
    }
    const all = await search('zebr')
    expect(all.body.messages?.map(({ room, text }) => [room, text]).slice(0, 2)).toEqual([
      [other, 'ZEBRA stripes 5'],
      [one, 'zebra crossing 5'],
    ])
    expect(all.body.messages).toHaveLength(12)
    const access = { [one]: 'read' }
    expect((await search('zebra', { access })).body.messages?.map(({ room }) => room)).toEqual(Array(6).fill(one))
    expect((await search('zebra', { access: {} })).body).toEqual({ messages: [] })
    const texts: string[] = []
    for (let before = ''; ; ) {
      const { body } = await call(`/api/search/messages?q=zebra&limit=2${before}`, { access })
      texts.push(...(body.messages ?? []).map(({ text }) => text))
      if (body.next === undefined) break
      before = `&before=${body.next}`
    }
    expect(texts).toEqual([5, 4, 3, 2, 1, 0].map((index) => `zebra crossing ${index}`))
    expect((await search('zebra', { room: one })).body.messages).toHaveLength(6)
    expect(await search('zebra', { room: other, access })).toMatchObject({ status: 403 })
    const direct = directChat('ann', 'bob')
    await post(direct, { text: 'a zebra between us' })
    expect((await search('zebra', { user: 'bob', access: {} })).body.messages?.map(({ room }) => room)).toEqual([
      direct,
    ])
    expect((await search('zebra', { user: 'carol' })).body.messages).toHaveLength(12) // though she may write everything

    const [ann, watcher] = [await join(one, 1), await join(one, 1, 'bob')]
    const list = listOf(ann)
    deleteMessage(messageOf(ann, list[0]?.id ?? ''))
    editMessage(messageOf(ann, list[1]?.id ?? ''), 'a horse')
    await seenBy(watcher, (seen) => seen[0]?.deletedAt !== undefined && seen[1]?.text === 'a horse')
    expect((await search('zebra', { room: one })).body.messages).toHaveLength(4)
    expect((await search('a hor', { room: one })).body.messages?.map(({ id }) => id)).toEqual([list[1]?.id])
  })

  test.each(['', '?q=', '?q=%20', `?q=${'x'.repeat(201)}`, '?q=a&limit=101', '?q=a&before=x'])(
    '%s is refused',
    async (query) => {
      expect(await call(`/api/search/messages${query}`)).toMatchObject({
        status: 400,
        body: { code: 'http/bad-request' },
      })
    },
  )

  test('quotes and operators are text', async () => {
    const room = newRoom()
    await post(room, { text: 'say "cheese" AND smile' })
    for (const q of ['"cheese', 'AND', 'cheese OR', '("cheese")', 'smi*']) {
      expect((await search(q, { room })).status).toBe(200)
    }
    expect((await search('"cheese" smi', { room })).body.messages).toHaveLength(1)
  })
})

describe('POST /api/rooms/<room>/messages', () => {
  test('a message is there for clients and in the archive once it is answered', async () => {
    const room = newRoom()
    const bob = await join(room, 1, 'bob')
    const id = newMessageId()
    const attachments = [{ name: 'a.png', type: 'image/png', size: 3, url: 'https://example.org/a.png' }]
    const { status, body } = await post(room, { id, text: 'built', attachments }, { user: 'robot' })
    expect(status).toBe(201)
    expect(body).toMatchObject({ id, author: 'robot', text: 'built', attachments, seq: 1, reactions: {} })
    expect(await archive(room)).toEqual([body])
    await seenBy(bob, (list) => list[0]?.seq === 1)
    expect(listOf(bob)).toEqual([body])
    setReaction(messageOf(bob, id), '🎉', 'bob', true)
    await bob.saved()
  })

  test('the same id again answers with the message that is there, also at once and in a later segment', async () => {
    const room = newRoom()
    const id = newMessageId()
    const answers = await Promise.all([1, 2, 3, 4].map((number) => post(room, { id, text: `try ${number}` })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201])
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    for (let index = 0; index < 2 * PER_SEGMENT + 5; index += 1) await post(room, { text: `${index}` })
    expect(await post(room, { id, text: 'again' })).toEqual({ status: 200, body: answers[0]?.body })
    expect(await post(room, { id, text: 'mine' }, { user: 'eve' })).toMatchObject({
      status: 409,
      body: { code: 'chat/duplicate-id' },
    })
    expect((await archive(room)).filter((message) => message.id === id)).toHaveLength(1)
  })

  test('many at once from several users, beside a client, all get in, in segments, numbered without gap', async () => {
    const room = newRoom()
    const client = await join(room, 1, 'ann')
    for (let index = 0; index < 4; index += 1) sendMessage(client.ydoc, 'ann', { text: `client ${index}` })
    const posts = Array.from({ length: 40 }, (_, index) =>
      post(room, { text: `post ${index}` }, { user: `user ${index % 3}` }),
    )
    const answers = await Promise.all(posts)
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(201))
    await client.saved()
    await stamped(client, 4)
    const found = await archive(room)
    expect(found.map(({ seq }) => seq)).toEqual(Array.from({ length: 44 }, (_, index) => index + 1))
    expect(new Set(found.map(({ text }) => text)).size).toBe(44)
    const lengths = await Promise.all([1, 2, 3, 4, 5].map(async (number) => listOf(await join(room, number)).length))
    expect(lengths).toEqual([10, 10, 10, 10, 4])
  })

  test('also when documents are unloaded in the moment in which they are opened again, as right after a start', async () => {
    for (let round = 0; round < 6; round += 1) {
      const fresh = await startServer({ environment })
      const posts = Array.from({ length: 60 }, (_, index) => post('chat/fresh', { text: `${index}` }, { on: fresh }))
      const answers = await Promise.all(posts)
      expect(answers.map(({ status }) => status)).toEqual(Array(60).fill(201))
      await fresh.stop()
    }
  })

  test('one user has one Yjs client id for many posts', async () => {
    const room = newRoom()
    const client = await join(room, 1, 'ann')
    for (let index = 0; index < 8; index += 1) await post(room, { text: `${index}` }, { user: 'robot' })
    await stamped(client, 8)
    expect(client.ydoc.store.clients.size).toBe(2) // the robot's and the server's
  })

  test.each([
    [422, 'chat/text-too-long', { text: 'x'.repeat(4_001) }],
    [422, 'chat/empty-message', { text: '' }],
    [400, 'http/bad-request', {}],
    [400, 'http/bad-request', { text: 5 }],
    [400, 'http/bad-request', { text: 'x', author: 'eve' }],
    [400, 'http/bad-request', { text: 'x', seq: 1 }],
    [400, 'http/bad-request', { text: 'x', id: 'mine' }],
    [400, 'http/bad-request', { text: 'x', replyTo: 'that' }],
    [400, 'http/bad-request', { text: 'x', attachments: [{ name: 'a', type: 'a/b', size: 1, url: 'javascript:0' }] }],
    [400, 'http/bad-request', { text: 'x', anchor: { start: { item: 'x' } } }],
    [400, 'http/bad-request', []],
  ])('%i %s for %j', async (status, code, body) => {
    const room = newRoom()
    const answer = await post(room, body)
    expect(answer).toMatchObject({ status, body: { code } })
    expect(await archive(room)).toEqual([])
    expect((await post(room, { text: 'fine' })).status).toBe(201) // and nothing of it stays in the way
  })

  test('needs a token that may comment', async () => {
    const room = newRoom()
    const beside = room.slice('chat/'.length)
    expect((await post(room, { text: 'x' }, { access: { [beside]: 'read' } })).status).toBe(403)
    expect((await post(room, { text: 'x' }, { access: { [beside]: 'comment' } })).status).toBe(201)
  })

  test('a body that is no JSON is refused', async () => {
    const response = await fetch(`${server.url}${pathOf('chat/x')}`, {
      method: 'POST',
      body: '{',
      headers: { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' },
    })
    expect(response.status).toBe(400)
  })
})

test('[promise 1] what was answered survives kill -9, and the archive has what the documents have', async () => {
  let own = await startServer({ folder: temporaryFolder(), environment })
  onTestFinished(() => own.kill())
  const room = newRoom()
  const answered: ChatMessage[] = []
  for (let round = 0; round < 4; round += 1) {
    const on = own
    const posts = Array.from({ length: 12 }, (_, index) =>
      post(room, { text: `${round} ${index}` }, { on }).then(
        ({ body, status }) => {
          if (status === 201) answered.push(body as ChatMessage)
        },
        () => {}, // cut off: it may be there or not
      ),
    )
    await Promise.race(posts) // as soon as one of them is answered
    await own.kill()
    await Promise.all(posts)
    own = await own.restart()
  }
  const last = await post(room, { text: 'last' }, { on: own })
  const found = await archive(room, '', { on: own })
  expect(found.at(-1)).toEqual(last.body)
  expect(found.map(({ seq }) => seq)).toEqual(Array.from({ length: found.length }, (_, index) => index + 1))
  expect(answered.length).toBeGreaterThanOrEqual(4)
  expect(found).toEqual(expect.arrayContaining(answered))
  const inDocuments: ChatMessage[] = []
  for (let number = 1; number <= Math.ceil(found.length / PER_SEGMENT); number += 1) {
    inDocuments.push(...listOf(await join(room, number, 'ann', own)))
  }
  const bySeq = (left: ChatMessage, right: ChatMessage) => (left.seq ?? 0) - (right.seq ?? 0)
  expect(inDocuments.sort(bySeq)).toEqual(found)
})

test('with ENCRYPTION_KEY pages are read and search says that it is off', async () => {
  const key = `k1:${Buffer.alloc(32, 3).toString('base64')}`
  const own = await startServer({ environment: { ENCRYPTION_KEY: key, DOCUMENT_SEARCH: 'on' } })
  onTestFinished(async () => void (await own.stop()))
  await post('chat/x', { text: 'a secret' }, { on: own })
  expect((await archive('chat/x', '', { on: own })).map(({ text }) => text)).toEqual(['a secret'])
  expect(await search('secret', { on: own })).toMatchObject({ status: 400, body: { code: 'search/encrypted' } })
  for (const [on, code] of [
    [own, 'search/encrypted'],
    [server, 'search/off'],
  ] as const) {
    expect(await rest(on, '/api/search/documents?q=secret')).toMatchObject({ status: 400, body: { code } })
  }
})
