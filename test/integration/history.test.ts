import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Difference, EditingSession, NamedVersion } from '../../model/history.ts'
import { type Client, openClient, whenDocument } from '../support/clients.ts'
import { startServer, type TestServer, type TokenOptions, tokenFor } from '../support/server.ts'

let server: TestServer
let documents = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

interface CallOptions extends TokenOptions {
  readonly user?: string
  readonly method?: string
  readonly body?: unknown
}

async function request(name: string, path: string, options: CallOptions = {}): Promise<Response> {
  const { user = 'ann', body, method = body === undefined ? 'GET' : 'POST', ...token } = options
  return await fetch(`${server.url}/api/documents/${encodeURIComponent(name)}/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${tokenFor(user, token)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

/** What the server answers with 200. */
async function call<T>(name: string, path: string, options: CallOptions = {}): Promise<T> {
  const response = await request(name, path, options)
  expect(response.status, await response.clone().text()).toBe(200)
  return await response.json()
}

async function refusal(name: string, path: string, options: CallOptions = {}): Promise<[number, string]> {
  const response = await request(name, path, options)
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  const { code }: { code: string } = await response.json()
  return [response.status, code]
}

async function open(name: string, user: string): Promise<Client> {
  const client = openClient(server, name, { user })
  await client.synced()
  return client
}

/** A document of its own, open for these users. */
async function openFor(...users: string[]): Promise<{ name: string; clients: Client[] }> {
  documents += 1
  const name = `history/document ${documents}`
  return { name, clients: await Promise.all(users.map((user) => open(name, user))) }
}

/** One edit, once it is on disk and everybody has it. Resolves with its position. */
async function edit(
  name: string,
  clients: readonly Client[],
  by: number,
  change: (doc: Y.Doc) => void,
): Promise<number> {
  const client = clients[by] ?? expect.unreachable()
  client.ydoc.transact(() => change(client.ydoc))
  await client.saved()
  const vector = JSON.stringify([...Y.decodeStateVector(Y.encodeStateVector(client.ydoc))].sort())
  for (const { ydoc } of clients) {
    await whenDocument(
      ydoc,
      () => JSON.stringify([...Y.decodeStateVector(Y.encodeStateVector(ydoc))].sort()) === vector,
    )
  }
  const { position } = await call<{ position: number }>(name, `position?at=${Date.now() + 1_000}`)
  return position
}

async function docAt(name: string, position: number): Promise<Y.Doc> {
  const response = await request(name, `state?position=${position}`)
  expect(response.status).toBe(200)
  const doc = new Y.Doc()
  Y.applyUpdate(doc, new Uint8Array(await response.arrayBuffer()))
  return doc
}

function end(clients: readonly Client[]): void {
  for (const client of clients) client.destroy()
}

test('a document can be had as it was at any position, and only at those there are', async () => {
  const { name, clients } = await openFor('ann')
  const texts = ['']
  for (const word of ['one ', 'two ', 'three ']) {
    await edit(name, clients, 0, (doc) => doc.getText('text').insert(0, word))
    texts.push(clients[0]?.text.toString() ?? '')
  }
  for (const [position, text] of texts.entries()) {
    expect((await docAt(name, position)).getText('text').toString()).toBe(text)
  }
  const response = await request(name, 'state')
  const now = new Y.Doc()
  Y.applyUpdate(now, new Uint8Array(await response.arrayBuffer()))
  expect(now.getText('text').toString()).toBe('three two one ')
  for (const position of [-1, 4]) {
    expect(await refusal(name, `state?position=${position}`)).toEqual([404, 'history/no-such-position'])
    expect(await refusal(name, `blame?position=${position}`)).toEqual([404, 'history/no-such-position'])
    expect(await refusal(name, `diff?from=${position}`)).toEqual([404, 'history/no-such-position'])
    expect(await refusal(name, 'restore', { body: { position } })).toEqual([404, 'history/no-such-position'])
  }
  expect(await refusal(name, 'diff?from=2&to=1')).toEqual([404, 'history/no-such-position'])
  expect(await refusal(name, 'state?position=x')).toEqual([400, 'http/bad-request'])
  end(clients)
})

test('a difference names what was written, deleted, formatted and changed, and by whom', async () => {
  const { name, clients } = await openFor('ann', 'bob')
  const paragraph = (doc: Y.Doc) => {
    const child = doc.getXmlFragment('default').get(0)
    const text = child instanceof Y.XmlElement ? child.get(0) : undefined
    if (!(child instanceof Y.XmlElement) || !(text instanceof Y.XmlText)) return expect.unreachable()
    return { element: child, text }
  }
  const from = await edit(name, clients, 0, (doc) => {
    const element = new Y.XmlElement('heading')
    element.setAttribute('level', '1')
    element.insert(0, [new Y.XmlText('Hello there, world')])
    doc.getXmlFragment('default').insert(0, [element])
    doc.getMap('settings').set('title', 'Old')
    doc.getArray('tags').insert(0, ['a', 'b'])
  })
  await edit(name, clients, 1, (doc) => {
    paragraph(doc).text.delete(5, 6)
    paragraph(doc).element.setAttribute('level', '2')
  })
  await edit(name, clients, 0, (doc) => {
    paragraph(doc).text.insert(5, ' 👋')
    paragraph(doc).text.format(0, 5, { bold: true })
    doc.getMap('settings').set('title', 'New')
    doc.getArray('tags').delete(0)
  })
  const { roots, to } = await call<Difference>(name, `diff?from=${from}`)
  expect(to).toBe(from + 2)
  const change = (kind: string, user: string) => ({ change: expect.objectContaining({ kind, user }) })
  expect(roots).toEqual([
    {
      name: 'default',
      content: {
        type: 'fragment',
        children: [
          {
            type: 'element',
            name: 'heading',
            attributes: [{ key: 'level', value: '2', before: { value: '1' }, ...change('changed', 'bob') }],
            children: [
              {
                type: 'text',
                runs: [
                  { text: 'Hello', marks: { bold: true }, before: {}, ...change('formatted', 'ann') },
                  { text: ' there', marks: {}, ...change('deleted', 'bob') },
                  { text: ' 👋', marks: {}, ...change('inserted', 'ann') },
                  { text: ', world', marks: {} },
                ],
              },
            ],
          },
        ],
      },
    },
    {
      name: 'settings',
      content: {
        type: 'map',
        entries: [{ key: 'title', value: 'New', before: { value: 'Old' }, ...change('changed', 'ann') }],
      },
    },
    { name: 'tags', content: { type: 'array', items: [{ value: 'a', ...change('deleted', 'ann') }, { value: 'b' }] } },
  ])
  const blame = await call<Difference>(name, `blame?position=${to}`)
  const text = blame.roots[0]?.content
  expect(JSON.stringify(text)).not.toContain('there')
  expect(text).toMatchObject({ children: [{ attributes: [change('inserted', 'bob')] }] })
  end(clients)
})

test('a document is brought back while somebody goes on writing, and that can be taken back as well', async () => {
  const { name, clients } = await openFor('ann', 'bob')
  const [ann] = clients
  const roots = ({ ydoc }: Client) => ({
    text: ydoc.getText('text').toDelta(),
    map: ydoc.getMap('map').toJSON(),
    array: ydoc.getArray('array').toJSON(),
    xml: ydoc.getXmlFragment('xml').toString(),
  })
  const good = await edit(name, clients, 0, (doc) => {
    doc.getText('text').insert(0, 'Dear all')
    doc.getText('text').format(0, 4, { bold: true })
    doc.getMap('map').set('nested', new Y.Map([['deep', new Y.Array()]]))
    doc.getArray('array').insert(0, [1, 2, 3])
    doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p')])
  })
  const before = roots(ann ?? expect.unreachable())
  const spoilt = await edit(name, clients, 1, (doc) => {
    doc.getText('text').delete(0, 8)
    doc.getMap('map').delete('nested')
    doc.getMap('map').set('new', true)
    doc.getArray('array').delete(0, 2)
    doc.getXmlFragment('xml').delete(0, 1)
    doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('h1')])
  })
  const after = roots(ann ?? expect.unreachable())
  const restored = await call(name, 'restore', { body: { position: good }, user: 'cleo' })
  expect(restored).toEqual({ before: spoilt, changed: true })
  for (const client of clients) {
    await whenDocument(client.ydoc, () => client.text.length === 8)
    expect(roots(client)).toEqual(before)
  }
  const { sessions } = await call<{ sessions: EditingSession[] }>(name, 'history')
  expect(sessions.map(({ user }) => user)).toEqual(['cleo', 'bob', 'ann'])
  expect(await call(name, 'restore', { body: { position: spoilt } })).toMatchObject({ changed: true })
  for (const client of clients) {
    await whenDocument(client.ydoc, () => client.text.length === 0)
    expect(roots(client)).toEqual(after)
  }
  expect(await call(name, 'restore', { body: { position: spoilt + 2 } })).toEqual({
    before: spoilt + 2,
    changed: false,
  })
  end(clients)
})

test('what one user wrote since a time is taken back, and what others wrote stays', async () => {
  const { name, clients } = await openFor('ann', 'bob')
  await edit(name, clients, 0, (doc) => doc.getText('text').insert(0, 'base '))
  await edit(name, clients, 1, (doc) => doc.getText('text').insert(5, 'kept '))
  const { position } = await call<{ position: number }>(name, `position?at=${Date.now()}`)
  expect(position).toBe(2)
  expect(await call(name, 'position?at=0')).toEqual({ position: 0 })
  await edit(name, clients, 1, (doc) => doc.getText('text').insert(0, 'spam '))
  await edit(name, clients, 0, (doc) => doc.getText('text').insert(0, 'fine '))
  await edit(name, clients, 1, (doc) => doc.getText('text').delete(10, 5))
  expect(clients[0]?.text.toString()).toBe('fine spam kept ')
  expect(await call(name, 'undo', { body: { user: 'bob', after: position } })).toEqual({ before: 5, changed: true })
  for (const { ydoc, text } of clients) await whenDocument(ydoc, () => text.toString() === 'fine base kept ')
  // Without a name, one's own: also that bob's words were taken back.
  expect(await call(name, 'undo', { body: { after: 0 }, user: 'ann' })).toMatchObject({ changed: true })
  for (const { ydoc, text } of clients) await whenDocument(ydoc, () => text.toString() === 'spam kept ')
  expect(await call(name, 'undo', { body: { user: 'nobody', since: 0 } })).toMatchObject({ changed: false })
  expect(await refusal(name, 'undo', { body: { user: 'bob' } })).toEqual([400, 'http/bad-request'])
  end(clients)
})

test('sessions tell who edited, and are paged from the newest on', async () => {
  const { name, clients } = await openFor('ann', 'bob')
  for (const by of [0, 1, 0]) await edit(name, clients, by, (doc) => doc.getText('text').insert(0, 'word'))
  await edit(name, clients, 1, (doc) => doc.getText('text').delete(0, 2))
  const { sessions, ...rest } = await call<{ sessions: EditingSession[] }>(name, 'history')
  expect(rest).toEqual({})
  expect(sessions).toMatchObject([
    { user: 'bob', firstPosition: 2, lastPosition: 4, updates: 2, inserted: 4, deleted: 2 },
    { user: 'ann', firstPosition: 1, lastPosition: 3, updates: 2, inserted: 8, deleted: 0 },
  ])
  const positions: number[] = []
  for (let before: number | undefined = 99; before !== undefined; ) {
    const page: { sessions: EditingSession[]; next?: number } = await call(
      name,
      `history?pause=0&limit=1&before=${before}`,
    )
    positions.push(...page.sessions.map(({ lastPosition }) => lastPosition))
    before = page.next
  }
  expect(positions).toEqual([4, 3, 2, 1])
  end(clients)
})

test('looking needs read, changing needs write, and rooms have no history', async () => {
  const { name, clients } = await openFor('ann')
  await edit(name, clients, 0, (doc) => doc.getText('text').insert(0, 'x'))
  const reads = ['history', 'state', 'position?at=1', 'diff?from=0', 'blame']
  const reader = { user: 'rita', access: { [name]: 'comment' } }
  for (const path of reads) {
    expect((await request(name, path, reader)).status).toBe(200)
    expect(await refusal(name, path, { access: {} })).toEqual([403, 'access/no-grant'])
    for (const room of ['chat/general', 'chat/general@1', 'inbox/ann', 'lobby/all', 'dm/ann,bob']) {
      expect(await refusal(room, path)).toEqual([409, 'document/is-room'])
    }
  }
  const changes = { restore: { position: 0 }, undo: { user: 'ann', since: 0 } }
  for (const [path, body] of Object.entries(changes)) {
    expect(await refusal(name, path, { ...reader, body })).toEqual([403, 'access/no-grant'])
    expect(await refusal('chat/general', path, { body, access: { '**': 'moderate' } })).toEqual([
      409,
      'document/is-room',
    ])
  }
  expect((await docAt(name, 1)).getText('text').toString()).toBe('x')
  end(clients)
})

test('an unknown document has the position 0 alone, and is empty there', async () => {
  expect(await call('history/unknown', 'diff?from=0')).toEqual({ from: 0, to: 0, roots: [] })
  expect(await call('history/unknown', 'history')).toEqual({ sessions: [] })
  expect(await refusal('history/unknown', 'state?position=1')).toEqual([404, 'history/no-such-position'])
})

test('positions are given names, which go from list to list until they are deleted', async () => {
  const { name, clients } = await openFor('ann')
  await edit(name, clients, 0, (doc) => doc.getText('text').insert(0, 'one'))
  const created = await request(name, 'versions', { body: { name: ' First draft 😀 ' } })
  expect(created.status).toBe(201)
  const first: NamedVersion = await created.json()
  expect(first).toMatchObject({ position: 1, name: 'First draft 😀', author: 'ann' })
  await edit(name, clients, 0, (doc) => doc.getText('text').insert(0, 'two'))
  const later: NamedVersion = await (await request(name, 'versions', { body: { name: 'x' }, user: 'bob' })).json()
  const empty: NamedVersion = await (await request(name, 'versions', { body: { name: 'empty', position: 0 } })).json()
  expect(await call(name, 'versions')).toEqual({ versions: [later, first, empty] })
  await call(name, `versions/${later.id}`, { method: 'PATCH', body: { name: 'Second draft' } })
  await call(name, `versions/${empty.id}`, { method: 'DELETE' })
  const renamed = { ...later, name: 'Second draft' }
  expect(await call(name, 'versions')).toEqual({ versions: [renamed, first] })
  await call(name, 'restore', { body: { position: first.position } })
  for (const { ydoc, text } of clients) await whenDocument(ydoc, () => text.toString() === 'one')

  expect(await refusal(name, 'versions', { body: { name: 'x', position: 4 } })).toEqual([
    404,
    'history/no-such-position',
  ])
  expect(await refusal(name, 'versions', { body: { name: 'x', position: -1 } })).toEqual([
    404,
    'history/no-such-position',
  ])
  expect(await refusal('history/none', 'versions', { body: { name: 'x' } })).toEqual([404, 'history/no-such-position'])
  for (const bad of ['', ' ', 'x'.repeat(201), '\ud800']) {
    expect(await refusal(name, 'versions', { body: { name: bad } })).toEqual([400, 'http/bad-request'])
  }
  const gone = `versions/${empty.id}`
  expect(await refusal(name, gone, { method: 'DELETE' })).toEqual([404, 'version/unknown'])
  expect(await refusal(name, gone, { method: 'PATCH', body: { name: 'x' } })).toEqual([404, 'version/unknown'])
  const reader = { access: { [name]: 'comment' } }
  expect(await call(name, 'versions', reader)).toEqual({ versions: [renamed, first] })
  const changes = [
    ['versions', { body: { name: 'x' } }],
    [`versions/${first.id}`, { method: 'PATCH', body: { name: 'x' } }],
    [`versions/${first.id}`, { method: 'DELETE' }],
  ] as const
  for (const [path, options] of changes) {
    expect(await refusal(name, path, { ...reader, ...options })).toEqual([403, 'access/no-grant'])
    expect(await refusal('chat/x', path, options)).toEqual([409, 'document/is-room'])
  }
  end(clients)
})

test('each user is told what changed since they last looked, and that is no less after a look back', async () => {
  const { name, clients } = await openFor('ann', 'bob')
  const news = async (user: string) => {
    const { roots, from } = await call<Difference>(name, 'diff?from=seen', { user })
    const content = roots[0]?.content
    const runs = content?.type === 'text' ? content.runs : []
    return [from, ...runs.map((run) => [run.change?.kind ?? '', 'text' in run ? run.text : ''].join(':'))]
  }
  await edit(name, clients, 0, (doc) => doc.getText('text').insert(0, 'one '))
  expect(await call(name, 'seen')).toEqual({ position: 0 })
  expect(await call(name, 'seen', { method: 'POST', access: { [name]: 'read' } })).toEqual({ position: 1 })
  await edit(name, clients, 1, (doc) => doc.getText('text').insert(4, 'two'))
  expect(await news('ann')).toEqual([1, ':one ', 'inserted:two'])
  expect(await news('cleo')).toEqual([0, 'inserted:one ', 'inserted:two'])
  expect(await call(name, 'seen', { body: { position: 2 } })).toEqual({ position: 2 })
  expect(await call(name, 'seen', { body: { position: 1 } })).toEqual({ position: 2 })
  expect(await news('ann')).toEqual([2, ':one two'])
  expect(await call(name, 'seen')).toEqual({ position: 2, at: expect.any(Number) })
  expect(await call(name, 'seen', { user: 'cleo' })).toEqual({ position: 0 })
  expect(await refusal(name, 'seen', { body: { position: 3 } })).toEqual([404, 'history/no-such-position'])
  expect(await refusal('inbox/ann', 'seen', { body: {} })).toEqual([409, 'document/is-room'])
  end(clients)
})
