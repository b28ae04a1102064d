import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { placeIn } from '../../model/anchors.ts'
import { newMessageId } from '../../model/chat.ts'
import { type Client, openClient } from '../support/clients.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

const polled = { timeout: 20_000, interval: 20 }

let server: TestServer
beforeAll(async () => {
  server = await startServer({ environment: { PRESENCE_CHANGES_PER_SECOND: '1', MAX_PRESENCE_BYTES: '2000' } })
})
afterAll(() => server.kill())

const scribe: RestOptions = { user: 'scribe', name: 'Scribe', agent: true }
const ask = (name: string, path: string, method: string, body?: unknown, options: RestOptions = scribe) =>
  rest(server, documentPath(name, path), { ...options, method, ...(body === undefined ? {} : { body }) })

async function open(name: string, text: string, user = 'ann', token = tokenFor(user)): Promise<Client> {
  await rest(server, documentPath(name), { method: 'PUT', body: text })
  const client = openClient(server, name, { user, token })
  onTestFinished(() => client.destroy())
  await client.synced()
  return client
}

/** What `client` sees of others, by their ids. */
function seenBy({ provider, ydoc }: Client): Record<string, Readonly<Record<string, unknown>>> {
  const others = [...(provider.awareness?.getStates() ?? [])].filter(([client]) => client !== ydoc.clientID)
  return Object.fromEntries(others.map(([, state]) => [state.user?.id, state]))
}

/** The letters between the ends of a cursor or an anchor. */
function textAt({ ydoc }: Client, start: unknown, end: unknown): string | undefined {
  const [from, to] = [start, end].map((position) => placeIn(ydoc, Object(position)))
  return from?.type instanceof Y.XmlText ? from.type.toString().slice(from.index, to?.index) : undefined
}

test('an agent is seen as one, with its caret where it is, as long as it says', async () => {
  const name = 'agents/presence'
  const ann = await open(name, '# Plan\n\nBuy milk on Friday')
  ann.provider.setAwarenessField('user', { color: '#112233', kind: 'agent', name: 'Scribe' })
  const shown = { activity: 'Reviews the plan', at: { find: 'on Friday' }, fields: { user: { kind: 'person' } } }
  expect(await ask(name, '/presence', 'PUT', shown)).toMatchObject({ status: 204 })
  await expect.poll(() => seenBy(ann).scribe, polled).toBeDefined()
  const { user, activity, cursor } = seenBy(ann).scribe ?? {}
  expect({ user, activity }).toEqual({
    user: { id: 'scribe', name: 'Scribe', kind: 'agent' },
    activity: 'Reviews the plan',
  })
  expect(textAt(ann, Object(cursor).anchor, Object(cursor).head)).toBe('on Friday')
  expect((await ask(name, '/presence', 'GET')).body).toEqual({
    present: [
      { user: 'ann', name: 'ann' },
      { user: 'scribe', name: 'Scribe', kind: 'agent', activity: 'Reviews the plan' },
    ],
  })

  expect(await ask(name, '/presence', 'PUT', { activity: 'Waits' })).toMatchObject({ status: 204 })
  await expect.poll(() => seenBy(ann).scribe?.activity, polled).toBe('Waits')
  expect(seenBy(ann).scribe?.cursor).toBeUndefined()
  expect(await ask(name, '/presence', 'DELETE')).toMatchObject({ status: 204 })
  await expect.poll(() => seenBy(ann), polled).toEqual({})
  await ask(name, '/presence', 'PUT', { ttl: 100 })
  await expect.poll(() => seenBy(ann).scribe, polled).toBeDefined()
  await expect.poll(() => seenBy(ann), polled).toEqual({})
})

test('an agent that writes is shown where it wrote; other back ends are not', async () => {
  const name = 'agents/writing'
  const ann = await open(name, 'Buy milk on Friday')
  await ask(name, '/presence', 'PUT', { activity: 'Edits' })
  await rest(server, documentPath(name), { method: 'PATCH', body: { edits: [{ find: 'milk', replace: 'bread' }] } })
  await ask(name, '', 'PATCH', { edits: [{ find: 'Friday', replace: 'Monday' }] })
  await expect.poll(() => Object(seenBy(ann).scribe?.cursor).head, polled).toBeDefined()
  expect(Object.keys(seenBy(ann))).toEqual(['scribe'])
  const { activity, cursor } = seenBy(ann).scribe ?? {}
  expect(activity).toBe('Edits')
  expect(placeIn(ann.ydoc, Object(cursor).head)?.index).toBe('Buy bread on Mon'.length)
  const { sessions } = (await ask(name, '/history', 'GET')).body
  expect(Array.isArray(sessions) && sessions.map(({ user }) => user)).toEqual(['scribe', 'backend'])
  const blame = (await ask(name, '/blame', 'GET')).text
  const wrote = [...blame.matchAll(/"text":"([^"]*)","marks":{},"change":{"kind":"inserted","user":"([^"]*)"/g)]
  expect(wrote.map(([, text, user]) => [user, text])).toEqual([
    ['backend', 'Buy bread on '],
    ['scribe', 'Mon'],
    ['backend', 'day'],
  ])
})

test('what is too much, too often, in a room or not allowed is refused', async () => {
  const name = 'agents/limits'
  await open(name, 'one one')
  const put = (body: unknown, options?: RestOptions) => ask(name, '/presence', 'PUT', body, options)
  const reader = { ...scribe, access: { 'agents/*': 'read' } }
  expect(await put({ fields: { x: 'x'.repeat(2000) } })).toMatchObject({
    status: 413,
    body: { code: 'presence/too-big' },
  })
  const deep = `{"fields":{"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`
  const nested = { ...scribe, method: 'PUT', body: deep, type: 'application/json' }
  expect(await rest(server, documentPath(name, '/presence'), nested)).toMatchObject({
    status: 413,
    body: { code: 'presence/too-big' },
  })
  expect((await ask(name, '/presence', 'GET')).body).toEqual({ present: [] })
  expect(await put({ ttl: 600_000 })).toMatchObject({ status: 400 })
  expect(await put({ at: { find: 'one' } })).toMatchObject({ status: 422, body: { code: 'edit/ambiguous' } })
  expect(await put({ at: { block: 1 } })).toMatchObject({ status: 422, body: { code: 'edit/no-such-block' } })
  expect(await put({}, { ...scribe, access: {} })).toMatchObject({ status: 403 })
  expect(await put({}, reader)).toMatchObject({ status: 204 })
  expect(await ask(`chat/${name}`, '/presence', 'PUT', {})).toMatchObject({ status: 409 })
  const answers = await Promise.all(Array.from({ length: 70 }, () => put({ activity: 'spins' })))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204, 429]))
  expect(await ask(name, '/comments', 'POST', { block: 0, text: 'No' }, reader)).toMatchObject({ status: 403 })
})

test('an agent comments on a place, once for an id, and reads what comments are about now', async () => {
  const name = 'agents/comments'
  const ann = await open(name, 'Buy milk on Friday\n\nBuy bread on Friday')
  const commenter = { user: 'critic', agent: true, access: { 'agents/*': 'comment' } }
  const comment = { id: newMessageId(), find: 'on Friday', block: 1, text: 'Is Friday free?' }
  const post = (body: unknown, options: RestOptions = commenter) => ask(name, '/comments', 'POST', body, options)
  expect(await post({ find: 'on Friday', text: 'Which?' })).toMatchObject({
    status: 422,
    body: { code: 'edit/ambiguous' },
  })
  const first = await post(comment)
  expect(first).toMatchObject({
    status: 201,
    body: { author: 'critic', text: 'Is Friday free?', quote: 'on Friday', seq: 1 },
  })
  const { start, end } = Object(first.body.anchor)
  expect(textAt(ann, start, end)).toBe('on Friday')
  await expect.poll(() => seenBy(ann).critic?.cursor, polled).toEqual({ anchor: start, head: end })

  await rest(server, documentPath(name), {
    method: 'PATCH',
    body: { edits: [{ find: 'bread on Friday', replace: 'bread on Good Friday, early' }] },
  })
  expect(await post(comment)).toMatchObject({ status: 200, body: { seq: 1 } })
  expect(await post(comment, { user: 'eve' })).toMatchObject({ status: 409, body: { code: 'chat/duplicate-id' } })
  expect(await post({ block: 0, text: 'All of it?' })).toMatchObject({
    status: 201,
    body: { quote: 'Buy milk on Friday' },
  })
  const chat = `/api/rooms/${encodeURIComponent(`chat/${name}`)}/messages`
  await rest(server, chat, { method: 'POST', body: { text: 'No comment' } })
  const list = async (query = '') => (await ask(name, `/comments${query}`, 'GET')).body
  const about = ({ text, quote }: { text?: unknown; quote?: unknown }) => ({ text, quote })
  const { comments } = await list()
  expect(Array.isArray(comments) && comments.map(about)).toEqual([
    { text: 'Is Friday free?', quote: 'on Good Friday' },
    { text: 'All of it?', quote: 'Buy milk on Friday' },
  ])
  expect(await list('?limit=1')).toMatchObject({ comments: [{ text: 'All of it?' }], next: 2 })
  expect(await list('?limit=1&before=2')).toMatchObject({ comments: [{ text: 'Is Friday free?' }] })
  await rest(server, documentPath(name), { method: 'PUT', body: 'Buy bread' })
  expect(Object(await list()).comments.map(about)).toEqual([{ text: 'Is Friday free?' }, { text: 'All of it?' }])
})
