import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { everything } from '../formats/sample.ts'
import { type Client, openClient, whenDocument } from '../support/clients.ts'
import { replayFromLog } from '../support/replay.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let documents = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.kill())

function newName(): string {
  documents += 1
  return `rest/document ${documents}`
}

const get = (name: string, query = '', options: RestOptions = {}) => rest(server, documentPath(name, query), options)
const put = (name: string, body: unknown, options: RestOptions & { query?: string } = {}) =>
  rest(server, documentPath(name, options.query), { method: 'PUT', body, ...options })
const patch = (name: string, body: unknown, options: RestOptions = {}) =>
  rest(server, documentPath(name), { method: 'PATCH', body, ...options })
const markdownOf = async (name: string) => (await get(name, '?format=markdown')).text

async function open(name: string, user: string): Promise<Client> {
  const client = openClient(server, name, { user })
  onTestFinished(() => client.destroy())
  await client.synced()
  return client
}

/** The text of the paragraph of that number. */
function textOf({ ydoc }: Client, index: number): Y.XmlText {
  const paragraph = ydoc.getXmlFragment('default').get(index)
  const text = paragraph instanceof Y.XmlElement ? paragraph.get(0) : undefined
  return text instanceof Y.XmlText ? text : expect.unreachable(`paragraph ${index} has no text`)
}

describe('a document', () => {
  test('is created and read in every format', async () => {
    const name = newName()
    expect(await get(name)).toMatchObject({ status: 404, body: { code: 'document/not-found' } })
    const created = await put(name, everything)
    expect(created).toMatchObject({ status: 201, body: { position: 1, changed: true } })
    const json = await get(name)
    expect(json).toMatchObject({ status: 200, etag: '"1"', body: everything })
    for (const [format, type] of [
      ['markdown', 'text/markdown'],
      ['html', 'text/html'],
      ['yjs-json', 'application/vnd.coweave.yjs+json'],
    ] as const) {
      const read = await get(name, '', { headers: { accept: `${type}, */*;q=0.1` } })
      expect(read).toMatchObject({ status: 200, type: `${type}; charset=utf-8` })
      expect((await get(name, `?format=${format}`)).text).toBe(read.text)
      const copy = newName()
      expect(await put(copy, read.text, { type })).toMatchObject({ status: 201 })
      expect((await get(copy)).body).toEqual(everything)
    }
    expect((await get(name, '?format=text')).text).toContain('The launch plan #1\n')
    expect(await get(name, '', { headers: { accept: 'image/png' } })).toMatchObject({ status: 406 })
    expect(await put(newName(), 'x', { type: 'image/png' })).toMatchObject({ status: 415 })
  })

  test('is replaced without touching what stays, and tells when nothing changed', async () => {
    const name = newName()
    await put(name, 'one\n\ntwo')
    const ann = await open(name, 'ann')
    const second = textOf(ann, 1)
    expect(await put(name, 'zero\n\none\n\ntwo!')).toMatchObject({ status: 200, body: { position: 2, changed: true } })
    await whenDocument(ann.ydoc, () => ann.ydoc.getXmlFragment('default').length === 3)
    expect(textOf(ann, 2)).toBe(second)
    expect(second.toString()).toBe('two!')
    expect(await put(name, 'zero\n\none\n\ntwo!')).toMatchObject({ status: 200, body: { position: 2, changed: false } })
  })

  test('is copied, with the places that comments are about', async () => {
    const [name, copy] = [newName(), newName()]
    await put(name, 'one\n\ntwo')
    const ann = await open(name, 'ann')
    const place = Y.createRelativePositionFromTypeIndex(textOf(ann, 1), 2)
    await patch(name, { content: 'one\n\ntwo and more' })
    expect(await rest(server, documentPath(name, '/copy'), { method: 'POST', body: { to: copy } })).toMatchObject({
      status: 201,
    })
    const bob = await open(copy, 'bob')
    expect(Y.createAbsolutePositionFromRelativePosition(place, bob.ydoc)?.index).toBe(2)
    expect(await markdownOf(copy)).toBe('one\n\ntwo and more\n')
    const again = await rest(server, documentPath(name, '/copy'), { method: 'POST', body: { to: copy } })
    expect(again).toMatchObject({ status: 409, body: { code: 'document/exists' } })
    const old = { to: newName(), position: 1 }
    await rest(server, documentPath(name, '/copy'), { method: 'POST', body: old })
    expect(await markdownOf(old.to)).toBe('one\n\ntwo\n')
  })

  test('of any Yjs types comes and goes as JSON and as an update', async () => {
    const [one, two] = [newName(), newName()]
    const board = {
      roots: {
        board: { map: { title: 'Plan', cards: { array: [{ map: { done: true } }] } } },
        code: { text: { parts: [{ insert: 'let a\n' }] } },
      },
    }
    expect(await put(one, board, { query: '?format=yjs-json' })).toMatchObject({ status: 201 })
    expect((await get(one, '?format=yjs-json')).body).toEqual(board)
    expect(await patch(one, { format: 'text', field: 'code', edits: [{ find: 'a', replace: 'b' }] })).toMatchObject({
      status: 200,
    })
    expect((await get(one, '?format=text&field=code')).text).toBe('let b\n')
    expect(await get(one, '?format=markdown')).toMatchObject({ status: 422, body: { code: 'format/no-such-field' } })
    const ydoc = new Y.Doc()
    ydoc.getMap('board').set('x', 1)
    const type = 'application/octet-stream'
    expect(await put(two, Y.encodeStateAsUpdate(ydoc), { type })).toMatchObject({ status: 201 })
    expect((await get(two, '?format=yjs-json')).body).toEqual({ roots: { board: { map: { x: 1 } } } })
    expect(await put(newName(), Uint8Array.of(1, 2, 3), { type })).toMatchObject({
      status: 400,
      body: { code: 'document/malformed-update' },
    })
    for (const query of ['?format=yjs-json', '?format=update']) {
      const body = query.endsWith('update') ? Y.encodeStateAsUpdate(ydoc) : board
      expect(await put(two, body, { query, ...(body === board ? {} : { type }) })).toMatchObject({ status: 409 })
    }
  })

  test('that two create at once is created once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const name = newName()
      const answers = await Promise.all(['ann', 'bob', 'eve'].map((user) => put(name, 'the same text', { user })))
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 201])
      expect(await markdownOf(name)).toBe('the same text\n')
    }
  })
})

describe('[promise 2] a PATCH while others type', () => {
  test('keeps their letters and carets', async () => {
    const name = newName()
    await put(name, '# Plan\n\nAnn writes here\n\nBob writes there\n\nThe end')
    const [ann, bob] = await Promise.all([open(name, 'ann'), open(name, 'bob')])
    const typists = [
      { text: textOf(ann, 1), client: ann, letters: 'abcdefghij' },
      { text: textOf(bob, 2), client: bob, letters: 'klmnopqrst' },
    ]
    // The caret is between two letters that no PATCH touches; what is typed at it goes before it.
    const carets = typists.map(({ text }) => Y.createRelativePositionFromTypeIndex(text, 4))
    const placeOf = (index: number, { ydoc }: Client) => {
      const place = Y.createAbsolutePositionFromRelativePosition(carets[index] ?? expect.unreachable(), ydoc)
      return place?.type === typists[index]?.text ? place?.index : undefined
    }
    for (let round = 0; round < 10; round += 1) {
      const { text: read, etag } = await get(name, '?format=markdown')
      for (const [index, { text, letters, client }] of typists.entries()) {
        text.insert(placeOf(index, client) ?? expect.unreachable('the caret is lost'), letters.charAt(round))
      }
      const content = read
        .replace('# Plan', '# Plan!')
        .replace(/The end.*/, `The end ${round}\n\nAdded ${round}`)
        .replace(' writes', ' writes,')
      const answer = await patch(name, { base: etag, content })
      expect(answer.status).toBe(200)
    }
    await Promise.all([ann.saved(), bob.saved()])
    const markdown = await markdownOf(name)
    expect(markdown).toMatch(/^# Plan!{10}$/m)
    expect(markdown).toContain('abcdefghij')
    expect(markdown).toContain('klmnopqrst')
    expect(markdown.match(/^Added \d$/gm)?.toSorted()).toEqual(
      Array.from({ length: 10 }, (_, round) => `Added ${round}`),
    )
    const length = (await get(name, '?format=text')).text.length
    await Promise.all([ann, bob].map(({ ydoc }) => whenDocument(ydoc, () => textLength(ydoc) === length)))
    expect(ann.ydoc.getXmlFragment('default').toString()).toBe(bob.ydoc.getXmlFragment('default').toString())
    typists.forEach(({ client }, index) => {
      expect(placeOf(index, client)).toBe(4 + 10)
    })
  })

  function textLength(ydoc: Y.Doc): number {
    const blocks = ydoc.getXmlFragment('default').toArray()
    return blocks
      .map((block) => block.toString().replace(/<[^>]*>/g, '').length + 1)
      .reduce((sum, next) => sum + next, -1)
  }

  test('with a base takes nothing back of what was typed since, without one it does', async () => {
    const name = newName()
    await put(name, 'one two three')
    const { etag } = await get(name)
    const ann = await open(name, 'ann')
    textOf(ann, 0).insert(0, 'zero ')
    await ann.saved()
    expect(await patch(name, { base: etag, content: 'one 2 three' })).toMatchObject({ status: 200, etag: null })
    expect(await markdownOf(name)).toBe('zero one 2 three\n')
    expect(await patch(name, { content: 'one 2 three' })).toMatchObject({ status: 200 })
    expect(await markdownOf(name)).toBe('one 2 three\n')
    const latest = await get(name)
    const next = await patch(name, { base: latest.etag, content: 'one 2 three four' })
    expect(next).toMatchObject({ status: 200, etag: `"${Number(next.body.position)}"` })
    expect((await get(name)).etag).toBe(next.etag)
    expect(await patch(name, { base: 1000, content: '' })).toMatchObject({
      status: 400,
      body: { code: 'document/no-such-position' },
    })
    expect(await patch(newName(), { content: '' })).toMatchObject({ status: 404, body: { code: 'document/not-found' } })
  })

  test('needs one Yjs client id for each user, however often they write', async () => {
    const name = newName()
    await put(name, '0', { user: 'ann' })
    for (let round = 1; round <= 10; round += 1) {
      const answers = await Promise.all(
        ['ann', 'bob'].map((user) => patch(name, { blocks: [{ at: 0, insert: user }] }, { user })),
      )
      expect(answers.map(({ status }) => status)).toEqual([200, 200])
      const missed = await patch(name, { edits: [{ find: 'nowhere', replace: 'x' }] }, { user: 'ann' })
      expect(missed).toMatchObject({ status: 422 })
    }
    const response = await fetch(`${server.url}${documentPath(name, '?format=update')}`, {
      headers: { authorization: `Bearer ${tokenFor('ann')}` },
    })
    const ydoc = new Y.Doc()
    Y.applyUpdate(ydoc, await response.bytes())
    expect(ydoc.getXmlFragment('default').length).toBe(21)
    expect(Y.decodeStateVector(Y.encodeStateVector(ydoc)).size).toBe(2)
  })

  test('changes places and blocks, and tells which it can’t find', async () => {
    const name = newName()
    await put(name, '# Plan\n\n- [ ] buy milk\n- [ ] buy bread\n\nend')
    expect(await patch(name, { edits: [{ find: '[ ] buy bread', replace: '[x] buy bread' }] })).toMatchObject({
      status: 200,
    })
    expect(
      await patch(name, {
        blocks: [
          { at: 2, delete: 1, insert: 'The **end**' },
          { at: 1, insert: 'Today:' },
        ],
      }),
    ).toMatchObject({ status: 200 })
    expect(await markdownOf(name)).toBe('# Plan\n\nToday:\n\n- [ ] buy milk\n- [x] buy bread\n\nThe **end**\n')
    const before = (await get(name)).etag
    for (const [code, body] of [
      ['edit/not-found', { edits: [{ find: 'nowhere', replace: '' }] }],
      ['edit/ambiguous', { edits: [{ find: 'buy', replace: 'sell' }] }],
      ['edit/no-such-block', { blocks: [{ at: 9, delete: 1 }] }],
    ] as const) {
      expect(await patch(name, body)).toMatchObject({ status: 422, body: { code } })
    }
    for (const body of [
      {},
      { content: 'x', edits: [] },
      { content: 1 },
      { other: 1 },
      { edits: [{ find: '', replace: '' }] },
    ]) {
      expect(await patch(name, body)).toMatchObject({ status: 400 })
    }
    expect((await get(name)).etag).toBe(before)
  })
})

describe('a condition', () => {
  test('If-Match holds until somebody changes the document', async () => {
    const name = newName()
    await put(name, 'one')
    const { etag } = await get(name)
    const match = { headers: { 'if-match': etag ?? '' } }
    expect(await patch(name, { content: 'two' }, match)).toMatchObject({ status: 200 })
    for (const answer of [await patch(name, { content: 'three' }, match), await put(name, 'three', match)]) {
      expect(answer).toMatchObject({ status: 412, body: { code: 'document/moved' } })
    }
    expect(await patch(name, { content: 'x' }, { headers: { 'if-match': 'x' } })).toMatchObject({ status: 400 })
    expect(await patch(name, { content: 'x' }, { headers: { 'if-match': '"999"' } })).toMatchObject({ status: 412 })
    expect(await put(name, 'three', { headers: { 'if-none-match': '*' } })).toMatchObject({ status: 412 })
    expect(await markdownOf(name)).toBe('two\n')
  })

  test('If-Match: * replaces what is there, and creates nothing', async () => {
    const name = newName()
    const headers = { 'if-match': '*' }
    expect(await put(name, 'one', { headers })).toMatchObject({ status: 412, body: { code: 'document/moved' } })
    expect((await get(name)).status).toBe(404)
    await put(name, 'one')
    expect(await put(name, 'two', { headers })).toMatchObject({ status: 200 })
    expect(await markdownOf(name)).toBe('two\n')
  })

  test('If-Match lets one of many through', async () => {
    const name = newName()
    await put(name, 'start')
    const { etag } = await get(name)
    const headers = { 'if-match': etag ?? '' }
    const users = Array.from({ length: 8 }, (_, index) => `user-${index}`)
    const answers = await Promise.all(users.map((user) => patch(name, { content: `start ${user}` }, { user, headers })))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array.from({ length: 7 }, () => 412)])
    const winner = users[answers.findIndex(({ status }) => status === 200)]
    expect(await markdownOf(name)).toBe(`start ${winner}\n`)
  })

  test('If-None-Match spares the body until the document changes', async () => {
    const name = newName()
    await put(name, 'one')
    const { etag } = await get(name)
    const headers = { 'if-none-match': etag ?? '' }
    expect(await get(name, '', { headers })).toMatchObject({ status: 304, text: '', etag })
    await put(name, 'two')
    expect(await get(name, '', { headers })).toMatchObject({ status: 200, etag: '"2"' })
  })
})

describe('[promise 3] rights', () => {
  const reader: RestOptions = { user: 'reader', access: { 'rest/**': 'read' } }
  const stranger: RestOptions = { user: 'stranger', access: { 'other/**': 'write' } }

  test('without them nothing is read and nothing written', async () => {
    const name = newName()
    await put(name, 'text')
    const copy = (options: RestOptions, to: string) =>
      rest(server, documentPath(name, '/copy'), { method: 'POST', body: { to }, ...options })
    const refused = [
      put(name, 'changed', reader),
      put(newName(), 'new', reader),
      patch(name, { content: 'changed' }, reader),
      copy(reader, 'rest/copied'),
      get(name, '', stranger),
      put(name, 'changed', stranger),
      patch(name, { content: 'changed' }, stranger),
      copy(stranger, 'other/copied'),
    ]
    for (const answer of await Promise.all(refused)) {
      expect(answer).toMatchObject({ status: 403, body: { code: 'access/no-grant' } })
    }
    expect(await get(name, '', reader)).toMatchObject({ status: 200, etag: '"1"' })
    const invalid = { headers: { authorization: 'Bearer nothing' } }
    for (const answer of [
      await get(name, '', invalid),
      await put(name, 'x', invalid),
      await patch(name, {}, invalid),
    ]) {
      expect(answer.status).toBe(401)
    }
  })

  test('rooms are read and written as rooms only', async () => {
    for (const room of ['chat/rest/x', 'chat/rest/x@1', 'dm/ann,backend', 'inbox/backend', 'lobby/team']) {
      const options = { access: { '**': 'moderate' } }
      for (const answer of [
        await get(room, '', options),
        await put(room, 'text', options),
        await patch(room, { content: 'text' }, options),
        await rest(server, documentPath(room, '/copy'), { method: 'POST', body: { to: newName() }, ...options }),
      ]) {
        expect(answer).toMatchObject({ status: 409, body: { code: 'document/is-room' } })
      }
    }
  })
})

test('a PATCH reaches those who are on another instance, which then refuses an older ETag', async () => {
  const name = newName()
  await put(name, 'one')
  const { etag } = await get(name)
  const other = await startServer({ folder: server.folder })
  onTestFinished(() => other.kill())
  const bob = openClient(other, name, { user: 'bob' })
  onTestFinished(() => bob.destroy())
  await bob.synced()
  const text = textOf(bob, 0)
  await patch(name, { edits: [{ find: 'one', replace: 'one and two' }] })
  await whenDocument(bob.ydoc, () => text.toString() === 'one and two')
  const headers = { 'if-match': etag ?? '' }
  const late = await rest(other, documentPath(name), { method: 'PATCH', body: { content: 'x' }, headers })
  expect(late).toMatchObject({ status: 412, body: { code: 'document/moved' } })
})

test('[promise 1] what was answered is on disk when the server is killed', async () => {
  const [one, two] = [newName(), newName()]
  await put(one, '# Title')
  await patch(one, { content: '# Title\n\nmore' })
  const last = await rest(server, documentPath(one, '/copy'), { method: 'POST', body: { to: two } })
  await server.kill()
  expect(last.status).toBe(201)
  const stored = await replayFromLog(server.folder, [one, two])
  for (const name of [one, two]) {
    expect(stored[name]?.getXmlFragment('default').toString()).toBe(
      '<heading level="1">Title</heading><paragraph>more</paragraph>',
    )
  }
})
