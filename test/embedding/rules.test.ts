import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { SyncType } from '../../server/connection/frames.ts'
import { pathRules } from '../../server/index.ts'
import { type Client, openClient, whenDocument } from '../support/clients.ts'
import { type Embedded, PREFIX, startEmbedded } from '../support/embedded.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import { authMessage, syncMessage, syncPayload, updateMessage } from '../support/messages.ts'
import { documentPath, rest } from '../support/rest.ts'
import { databaseUrl, temporaryFolder, tokenFor } from '../support/server.ts'

const NAME = 'ruled/plan'
const ANN = 1_001

const rules = pathRules(
  { meta: 'map', tasks: 'array', body: 'text', page: 'xml' },
  {
    'meta/title': { write: 'moderate', types: ['string'], maxSize: 50 },
    tasks: { maxLength: 4 },
    'tasks/*': { types: ['map'] },
    'tasks/*/text': { types: ['string'], maxSize: 100 },
    'tasks/*/done': { types: ['boolean'], write: ({ user }) => user === 'ann' },
    'tasks/*/notes': { types: ['text', 'characters'], maxLength: 20 },
    body: { types: ['characters'], maxLength: 100 },
    'page/**': { types: ['xml-element', 'xml-text', 'characters', 'string'] },
  },
)

let server: Embedded
let ann: Client
let whole: Uint8Array
beforeAll(async () => {
  server = await startEmbedded({
    settings: { DATABASE_URL: databaseUrl(temporaryFolder()), MAX_DOCUMENT_BYTES: '20000' },
    rules: (document) => {
      if (document === 'ruled/failing') throw new Error('no rules today')
      if (document === 'ruled/own') {
        return { roots: { body: 'text' }, check: ({ value }) => (value === '!' ? 'nobody shouts' : undefined) }
      }
      return document.startsWith('ruled/') ? rules : undefined
    },
  })
  const ydoc = new Y.Doc()
  ydoc.clientID = ANN
  ann = openClient(server, NAME, { ydoc, token: tokenFor('ann', { access: { '**': 'moderate' } }) })
  await ann.synced()
  ydoc.getMap('meta').set('title', 'Plan')
  ydoc.getArray('tasks').push([task('first'), task('second')])
  ydoc.getText('body').insert(0, 'hello')
  ydoc.getXmlFragment('page').push([new Y.XmlElement('paragraph')])
  await ann.saved()
  whole = Y.encodeStateAsUpdate(ydoc)
})
afterAll(async () => {
  ann.destroy()
  await server.stop()
})

function task(text: string, done?: boolean): Y.Map<unknown> {
  const map = new Y.Map<unknown>([['text', text]])
  map.set('notes', new Y.Text(''))
  if (done !== undefined) map.set('done', done)
  return map
}

function firstTask(ydoc: Y.Doc): Y.Map<unknown> {
  const [first] = ydoc.getArray<Y.Map<unknown>>('tasks').toArray()
  return first ?? expect.unreachable()
}

/** What `edit` does in a replica of the document. */
function updateBy(edit: (ydoc: Y.Doc) => void, clientID = 666): Uint8Array {
  const ydoc = new Y.Doc({ gc: false })
  Y.applyUpdate(ydoc, whole)
  ydoc.clientID = clientID
  const before = Y.snapshot(ydoc)
  const updates: Uint8Array[] = []
  ydoc.on('update', (update) => updates.push(update))
  edit(ydoc)
  expect(Y.equalSnapshots(before, Y.snapshot(ydoc))).toBe(false)
  return Y.mergeUpdates(updates)
}

/** The same without a replica: what the document holds is given other kinds. */
function blindUpdate(edit: (ydoc: Y.Doc) => void): Uint8Array {
  const ydoc = new Y.Doc()
  ydoc.clientID = 666
  edit(ydoc)
  return Y.encodeStateAsUpdate(ydoc)
}

/** Of three edits of a new client, those with these numbers. */
function some(...numbers: readonly number[]): Uint8Array {
  const ydoc = new Y.Doc()
  ydoc.clientID = 666
  const updates: Uint8Array[] = []
  ydoc.on('update', (update) => updates.push(update))
  for (const letter of 'abc') ydoc.getText('body').insert(0, letter)
  return Y.mergeUpdates(numbers.map((number) => updates[number] ?? expect.unreachable()))
}

/** Deletes `count` of ann's structs from `clock`. */
function deletion(clock: number, count: number): Uint8Array {
  return Uint8Array.of(0, 1, ...varUint(ANN), 1, clock, count)
}

const varUint = (value: number) => (value < 128 ? [value] : [(value & 127) | 128, value >> 7])

const hostile: [title: string, rule: string, update: () => Uint8Array][] = [
  [
    'writes where only moderators may',
    'rules/forbidden-path',
    () => updateBy((d) => d.getMap('meta').set('title', 'x')),
  ],
  ['deletes there', 'rules/forbidden-path', () => updateBy((d) => d.getMap('meta').delete('title'))],
  ['deletes there, with a delete set alone', 'rules/forbidden-path', () => deletion(0, 1)],
  ['deletes what is not there yet', 'document/gap', () => deletion(120, 5)],
  ['writes what only one user may', 'rules/forbidden-path', () => updateBy((d) => firstTask(d).set('done', true))],
  [
    'brings it with a new entry',
    'rules/forbidden-path',
    () => updateBy((d) => d.getArray('tasks').push([task('x', true)])),
  ],
  [
    'moves an entry by deleting it and inserting a copy with more',
    'rules/forbidden-path',
    () =>
      updateBy((d) => {
        d.getArray('tasks').delete(0)
        d.getArray('tasks').push([task('first', true)])
      }),
  ],
  ['makes a root type of its own', 'rules/unknown-root', () => updateBy((d) => d.getMap('other').set('x', 1))],
  ['writes a key that has no rule', 'rules/unknown-path', () => updateBy((d) => d.getMap('meta').set('color', 'red'))],
  ['puts a value in the place of an entry', 'rules/wrong-type', () => updateBy((d) => d.getArray('tasks').push(['x']))],
  ['makes a type of a text', 'rules/wrong-type', () => updateBy((d) => firstTask(d).set('text', new Y.Map()))],
  ['writes bytes', 'rules/wrong-type', () => updateBy((d) => firstTask(d).set('text', Uint8Array.of(1)))],
  ['brings a subdocument', 'rules/wrong-type', () => updateBy((d) => d.getArray('tasks').push([new Y.Doc()]))],
  ['formats plain text', 'rules/wrong-type', () => updateBy((d) => d.getText('body').format(0, 2, { bold: true }))],
  ['nests too much', 'rules/too-big', () => updateBy((d) => d.getArray('tasks').push([task('x'.repeat(200))]))],
  ['lets a text grow too long', 'rules/too-big', () => updateBy((d) => d.getText('body').insert(0, 'x'.repeat(96)))],
  [
    'lets a nested text grow too long',
    'rules/too-big',
    () =>
      updateBy((d) => {
        const notes = firstTask(d).get('notes')
        for (let index = 0; notes instanceof Y.Text && index < 21; index += 1) notes.insert(0, 'x')
      }),
  ],
  [
    'adds too many entries',
    'rules/too-big',
    () => updateBy((d) => d.getArray('tasks').push([1, 2, 3].map(() => task('x')))),
  ],
  ['hides keys in a list', 'rules/hidden', () => blindUpdate((d) => d.getMap('tasks').set('x', 'y'))],
  ['hides a list in a map', 'rules/hidden', () => blindUpdate((d) => d.getArray('meta').push(['x']))],
  ['hides values in a text', 'rules/hidden', () => blindUpdate((d) => d.getArray('body').push(['x']))],
  ['writes a name that is none', 'rules/hidden', () => updateBy((d) => firstTask(d).set('__proto__', 'x'))],
  ['leaves structs pending', 'document/gap', () => some(1)],
  ['leaves a gap for others to fill', 'document/gap', () => some(0, 2)],
  [
    'writes under somebody else’s client id',
    'document/client-id-taken',
    () => updateBy((d) => d.getText('body').insert(0, 'x'), ANN),
  ],
  ['can not be read', 'document/malformed-update', () => whole.subarray(0, whole.length - 3)],
]

test.each(hostile)('a client that %s is refused before anybody sees it: %s', async (_title, rule, make) => {
  const update = make()
  const before = ann.ydoc.toJSON()
  const socket = await FrameSocket.open(server, { path: `${PREFIX}/collab` })
  socket.send(authMessage(NAME, tokenFor('mallory')))
  socket.send(syncMessage(NAME, SyncType.Step1, Uint8Array.of(0)))
  await socket.message((message) => syncPayload(message, SyncType.Step2) !== undefined)
  socket.send(syncMessage(NAME, SyncType.Step2, Uint8Array.of(0, 0)))
  socket.send(updateMessage(NAME, update))
  const { code, reason } = await socket.closed
  const isRule = rule.startsWith('rules/') || rule === 'document/gap'
  const codes: Record<string, number> = {
    'document/client-id-taken': CloseCode.ClientIdTaken,
    'document/malformed-update': CloseCode.Malformed,
  }
  expect(code).toBe(isRule ? CloseCode.Forbidden : codes[rule])
  if (isRule) expect(reason.split(': ')[0]).toBe(rule)
  const { update: stored } = await storedNow()
  expect(Y.encodeStateVectorFromUpdate(stored)).toEqual(Y.encodeStateVectorFromUpdate(whole))
  expect(ann.ydoc.toJSON()).toEqual(before)
  expect(await server.coweave.explain({ document: NAME, user: 'mallory', update })).toMatchObject({
    isAccepted: false,
    refusal: { rule },
  })
})

async function storedNow(): Promise<{ readonly update: Uint8Array }> {
  const headers = { authorization: `Bearer ${tokenFor('ben')}` }
  const response = await fetch(server.url + documentPath(NAME, '/sync'), { headers })
  return { update: new Uint8Array(await response.arrayBuffer()) }
}

test('honest changes merge, also those made offline, and what refuses one says which', async () => {
  const [ben, cleo] = ['ben', 'cleo'].map((user) => openClient(server, NAME, { user }))
  if (ben === undefined || cleo === undefined) throw new Error('two were opened')
  await Promise.all([ben.synced(), cleo.synced()])
  cleo.socket.disconnect()
  // A provider that is told to connect before it has disconnected does neither.
  await expect.poll(() => cleo.socket.status).toBe('disconnected')
  cleo.ydoc.getText('body').insert(5, ' from cleo')
  cleo.ydoc.getArray('tasks').push([task('offline')])
  ben.ydoc.getText('body').insert(0, 'ben says: ')
  firstTask(ben.ydoc).set('text', 'changed')
  ben.ydoc.getArray('tasks').delete(1)
  const paragraph = ben.ydoc.getXmlFragment('page').get(0)
  if (paragraph instanceof Y.XmlElement) paragraph.push([new Y.XmlText('shown')])
  await ben.saved()
  void cleo.socket.connect()
  await cleo.saved()
  firstTask(ann.ydoc).set('done', true)
  ann.ydoc.getMap('meta').set('title', 'Better plan')
  await ann.saved()
  const isThere = () => ben.ydoc.getMap('meta').get('title') === 'Better plan'
  await whenDocument(ben.ydoc, isThere)
  const expected = {
    meta: { title: 'Better plan' },
    tasks: [
      { text: 'changed', notes: '', done: true },
      { text: 'offline', notes: '' },
    ],
    body: 'ben says: hello from cleo',
    page: '<paragraph>shown</paragraph>',
  }
  for (const { ydoc } of [ann, ben, cleo]) await expect.poll(() => plain(ydoc)).toEqual(expected)
  whole = (await storedNow()).update
  const update = updateBy((ydoc) => ydoc.getText('body').insert(0, 'x'), 667)
  expect(await server.coweave.explain({ document: NAME, user: 'ben', update })).toEqual({
    isAccepted: true,
    refusal: undefined,
    changes: [{ path: ['body'], action: 'write', type: 'characters', value: 'x', size: 1, length: 26 }],
  })
  const moderated = updateBy((ydoc) => ydoc.getMap('meta').set('title', 'x'), 668)
  const question = { document: NAME, user: 'ben', update: moderated }
  expect(await server.coweave.explain({ ...question, level: 'moderate' })).toMatchObject({ isAccepted: true })
  const ruleless = { document: 'free/any', user: 'ben', update: moderated }
  expect(await server.coweave.explain(ruleless)).toMatchObject({ isAccepted: true })
  expect(await server.coweave.explain({ ...ruleless, level: 'comment' })).toMatchObject({
    isAccepted: false,
    refusal: { rule: 'access/no-grant' },
  })
  const big = updateBy((ydoc) => ydoc.getText('free').insert(0, 'x'.repeat(20_000)), 669)
  expect(await server.coweave.explain({ ...ruleless, update: big })).toMatchObject({
    isAccepted: false,
    refusal: { rule: 'document/too-big' },
  })
  const body = { user: 'ben', document: 'free/any', minutes: 5 }
  expect((await rest(server, '/api/admin/mute', { admin: true, method: 'POST', body })).status).toBe(200)
  expect(await server.coweave.explain(ruleless)).toMatchObject({
    isAccepted: false,
    refusal: { rule: 'access/muted' },
  })
  await expect(server.coweave.explain({ ...ruleless, document: 'chat/free/any' })).rejects.toThrow('is a room')
  for (const client of [ben, cleo]) client.destroy()
})

function plain(ydoc: Y.Doc): object {
  const [meta, tasks] = [ydoc.getMap('meta').toJSON(), ydoc.getArray('tasks').toJSON()]
  return { meta, tasks, body: ydoc.getText('body').toString(), page: ydoc.getXmlFragment('page').toString() }
}

test('over REST the same rules hold; a function of the product’s own says why; none is needed for other documents', async () => {
  const put = (name: string, body: object) =>
    rest(server, documentPath(name, '?format=yjs-json'), { method: 'PUT', body })
  const octets = { method: 'POST', type: 'application/octet-stream' }
  const shout = blindUpdate((ydoc) => ydoc.getText('body').insert(0, '!'))
  const refused = await rest(server, documentPath('ruled/own', '/sync'), { ...octets, body: shout })
  expect(refused).toMatchObject({ status: 422, body: { code: 'rules/refused' } })
  expect(refused.text).toContain('nobody shouts')
  const open = await rest(server, documentPath('free/own', '/sync'), { ...octets, body: shout })
  expect(open.status).toBe(200)
  expect((await put('ruled/failing', {})).status).toBeGreaterThanOrEqual(400)
  const failing = await rest(server, documentPath('ruled/failing', '/sync'), { ...octets, body: shout })
  expect(failing).toMatchObject({ status: 503, body: { code: 'document/rules-failed' } })
})
