import 'fake-indexeddb/auto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import type { RefusedChange } from '../../client/index.ts'
import { CloseCode } from '../../model/close-codes.ts'
import { closeSessions, openSession, textOf, whenState, whenText, write } from '../support/client-session.ts'
import { type Client, openClient, openYWebsocket, until, whenDocument } from '../support/clients.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { startServer, type TestServer, temporaryFolder } from '../support/server.ts'

const moderator: RestOptions = { user: 'mia', access: { '**': 'moderate' } }

let server: TestServer
let documents = 0

beforeAll(async () => {
  server = await startServer({ folder: temporaryFolder() })
})
afterAll(async () => {
  closeSessions()
  await server.kill()
})

const post = (name: string, path: string, body: unknown, options: RestOptions = moderator) =>
  rest(server, documentPath(name, path), { ...options, method: 'POST', body })
const reset = (name: string, position: number, options?: RestOptions) => post(name, '/reset', { position }, options)

function open(name: string, ydoc = new Y.Doc(), at: TestServer = server): Client {
  const client = openClient(at, name, { ydoc })
  onTestFinished(() => client.destroy())
  return client
}

/** A document that was good at position 1 and isn't since; `ann` has it open. */
async function poisoned(): Promise<{ name: string; ann: Client }> {
  documents += 1
  const name = `reset/${documents}`
  const ann = open(name)
  await ann.synced()
  ann.text.insert(0, 'good')
  await ann.saved()
  // What deletes alone leaves no trace in a state vector.
  ann.text.delete(0, 4)
  ann.text.insert(0, 'poison')
  await ann.saved()
  return { name, ann }
}

async function expectText(name: string, text: string, at?: TestServer): Promise<Client> {
  const fresh = open(name, new Y.Doc(), at)
  await fresh.synced()
  expect(fresh.text.toString()).toBe(text)
  return fresh
}

const denied = ({ provider }: Client) => new Promise((resolve) => provider.on('authenticationFailed', resolve))
const IS_RESET = { reason: 'document/reset' }

describe('a document that is reset', () => {
  test('is what it was, and stock clients that have what it was since are turned away with it', async () => {
    const { name, ann } = await poisoned()
    const web = openYWebsocket(server, name, 'bob')
    onTestFinished(() => web.destroy())
    await until(
      () => web.synced,
      (check) => web.on('sync', check),
    )
    const codes: unknown[] = []
    web.on('connection-close', (event: { code: number } | null) => codes.push(event?.code))
    const told = denied(ann)
    expect(await reset(name, 1)).toMatchObject({ status: 200, body: { position: expect.any(Number) } })
    expect(await told).toEqual(IS_RESET)
    await expect.poll(() => codes).toEqual([CloseCode.Reset])

    const fresh = await expectText(name, 'good')
    fresh.text.insert(4, ' again')
    await fresh.saved()
    for (const ydoc of [ann.ydoc, web.doc]) {
      ydoc.getText('text').insert(0, 'still ')
      expect(await denied(open(name, ydoc))).toEqual(IS_RESET)
    }
    const late = openYWebsocket(server, name, 'bob', web.doc)
    onTestFinished(() => late.destroy())
    const code = await new Promise((resolve) => late.on('connection-close', (event) => resolve(event?.code)))
    expect(code).toBe(CloseCode.Reset)
    expect(fresh.text.toString()).toBe('good again')
    await expectText(name, 'good again')
  })

  test('takes nothing of before over HTTP, and can’t be restored to it, but be looked at and reset once more', async () => {
    const { name, ann } = await poisoned()
    const stale = Y.encodeStateAsUpdate(ann.ydoc)
    const { body } = await reset(name, 1)
    const { before, position } = body
    const binary = { ...moderator, method: 'POST', type: 'application/octet-stream' }
    const isReset = { status: 409, body: { code: 'document/reset' } }
    expect(await rest(server, documentPath(name, '/sync'), { ...binary, body: stale })).toMatchObject(isReset)
    const vector = Buffer.from(Y.encodeStateVector(ann.ydoc)).toString('base64url')
    expect(await rest(server, documentPath(name, `/sync?stateVector=${vector}`))).toMatchObject(isReset)
    const onlyDeleting = new Y.Doc()
    Y.applyUpdate(onlyDeleting, stale)
    const deletion = Y.diffUpdate(stale, Y.encodeStateVector(onlyDeleting))
    expect(await rest(server, documentPath(name, '/sync'), { ...binary, body: deletion })).toMatchObject(isReset)
    expect(await post(name, '/restore', { position: before })).toMatchObject(isReset)
    const patch = { format: 'text', field: 'text', base: 1, edits: [{ find: 'good', replace: 'bad' }] }
    expect(await rest(server, documentPath(name), { method: 'PATCH', body: patch })).toMatchObject(isReset)
    const now = { ...patch, base: position, edits: [{ find: 'good', replace: 'better' }] }
    expect(await rest(server, documentPath(name), { method: 'PATCH', body: now })).toMatchObject({ status: 200 })
    await expectText(name, 'better')
    expect(await post(name, '/restore', { position })).toMatchObject({ status: 200, body: { changed: true } })
    await expectText(name, 'good')

    const at = async (query: string) => (await rest(server, documentPath(name, query))).text
    expect(await at(`/blame?position=${before}`)).toContain('poison')
    expect(await at('/blame')).not.toContain('poison')
    const difference = await at(`/diff?from=${before}`)
    expect(difference).toMatch(/"poison",[^}]*},"change":{"kind":"deleted","user":"mia"/)
    expect(difference).toMatch(/"good",[^}]*},"change":{"kind":"inserted","user":"mia"/)
    expect(await reset(name, Number(before))).toMatchObject({ status: 200 })
    await expectText(name, 'poison')
    expect(await reset(name, 0)).toMatchObject({ status: 200 })
    await expectText(name, '')
    expect(await reset(name, 99)).toMatchObject({ status: 404, body: { code: 'history/no-such-position' } })
    expect(await reset(name, 1, { user: 'eve' })).toMatchObject({ status: 403 })
    expect(await reset(`chat/${name}`, 1)).toMatchObject({ status: 409, body: { code: 'document/is-room' } })
  })

  test('[promise 4] is reset on all instances, and [promise 1] after kill -9', async () => {
    const { name, ann } = await poisoned()
    const other = await startServer({ folder: server.folder })
    onTestFinished(() => other.kill())
    const there = open(name, new Y.Doc(), other)
    await there.synced()
    const told = Promise.all([denied(ann), denied(there)])
    // Edits of both are on their way all the time.
    const typing = setInterval(() => {
      for (const { text } of [ann, there]) text.insert(0, 'poison')
    }, 5)
    onTestFinished(() => clearInterval(typing))
    expect(await reset(name, 1)).toMatchObject({ status: 200 })
    expect(await told).toEqual([IS_RESET, IS_RESET])
    clearInterval(typing)
    const fresh = await expectText(name, 'good', other)
    fresh.text.insert(4, ', and stays so')
    await fresh.saved()
    await other.kill()
    await server.kill()
    server = await server.restart()
    await expectText(name, 'good, and stays so')
  })

  test('begins anew in the client library, which hands over what was not saved', async () => {
    const { name } = await poisoned()
    const session = openSession(server)
    const document = session.document(name)
    await document.whenSynced
    await whenState(document.state, ({ kept }) => kept)
    expect(textOf(document)).toBe('poison')
    session.close()
    // On a train, while another one stays.
    const train = openSession(server, { user: 'ann', token: () => Promise.reject(new Error('no network')) })
    const offline = train.document(name)
    await offline.whenReady
    write(offline, ' and mine')
    await whenState(offline.state, ({ unkept }) => unkept === 0)
    train.close()
    const stays = openSession(server, { as: 'ben', keepLocally: false }).document(name)
    await stays.whenSynced
    const changes: RefusedChange[] = []
    stays.onRefused((change) => changes.push(change))
    await reset(name, 1)
    await whenText(stays, 'good')
    expect(changes).toEqual([])

    const home = openSession(server).document(name)
    const texts: string[] = []
    home.onRefused(({ rule, before }) => texts.push(rule, before.getText('text').toString()))
    await whenText(home, 'good')
    expect(texts).toEqual(['document/reset', 'poison and mine'])
    write(home, ' for all')
    await home.whenSaved()
    await whenState(home.state, ({ status, kept }) => status.kind === 'online' && kept)
    await whenDocument(stays.ydoc, () => textOf(stays) === 'good for all')
    const again = openSession(server).document(name)
    await again.whenReady
    expect(textOf(again)).toBe('good for all')
  })
})
