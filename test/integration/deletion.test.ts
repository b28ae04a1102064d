import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { preloading } from '../fault/preload/preload.ts'
import { closeSessions, openSession, whenState, write } from '../support/client-session.ts'
import { openClient, openYWebsocket, until, whenDocument } from '../support/clients.ts'
import { startServer, type TestServer, type TokenOptions, tokenFor } from '../support/server.ts'

let server: TestServer
let documents = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  closeSessions()
  await server.stop()
})

const moderator: TokenOptions = { access: { '**': 'moderate' } }
const admin: TokenOptions = { access: {}, admin: true }

async function call(method: string, path: string, token: TokenOptions = moderator, body?: unknown) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${tokenFor('mia', token)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    body: response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text,
  }
}

const pathOf = (name: string) => `/api/documents/${encodeURIComponent(name)}`
const remove = (name: string, token?: TokenOptions, query = '') => call('DELETE', `${pathOf(name)}${query}`, token)
const restore = (name: string, token?: TokenOptions) => call('POST', `${pathOf(name)}/undelete`, token)

/** A document with a text that is saved, and with a message beside it. */
async function newDocument(): Promise<string> {
  documents += 1
  const name = `plans/${documents}`
  const ann = openClient(server, name)
  await ann.synced()
  ann.text.insert(0, 'hello')
  await ann.saved()
  ann.destroy()
  const posted = await call('POST', `/api/rooms/${encodeURIComponent(`chat/${name}`)}/messages`, undefined, {
    text: `needle${documents}`,
  })
  expect(posted.status).toBe(201)
  return name
}

describe('who has a document open when it is deleted', () => {
  test('is closed with 4410 or told so, and none of them comes back in a loop', async () => {
    const name = await newDocument()
    const stock = openClient(server, name)
    const other = openClient(server, `${name}/other`, { socket: stock.socket })
    const old = openYWebsocket(server, name)
    const session = openSession(server, { as: 'eve' })
    const [document, beside] = [session.document(name), session.document(`${name}/other`)]
    onTestFinished(() => {
      for (const client of [stock, other, old]) client.destroy()
      session.close()
    })
    const closes: number[] = []
    const denials: string[] = []
    stock.socket.on('close', ({ event }: { event: { code: number } }) => closes.push(event.code))
    stock.provider.on('authenticationFailed', ({ reason }: { reason: string }) => denials.push(reason))
    old.on('connection-close', (event: { code: number } | null) => closes.push(event?.code ?? 0))
    await Promise.all([stock.synced(), other.synced(), document.whenSynced, beside.whenSynced])
    await until(
      () => old.synced,
      (check) => old.on('sync', check),
    )

    expect((await remove(name)).status).toBe(200)
    const state = await whenState(document.state, ({ status }) => status.kind === 'refused')
    expect(state.status).toMatchObject({ kind: 'refused', refusal: { reason: 'deleted' } })
    expect(beside.state.get().status.kind).toBe('online')
    await until(
      () => denials.length > 0,
      (check) => stock.provider.on('authenticationFailed', check),
    )
    await other.synced()
    other.text.insert(0, 'goes on')
    await other.saved()
    expect(denials).toEqual(['document/deleted'])
    expect(closes).toEqual([CloseCode.Deleted, CloseCode.Deleted])
    expect(old.shouldConnect).toBe(false)

    expect((await restore(name)).body).toEqual({ name, restored: true })
    const again = openClient(server, name)
    onTestFinished(() => again.destroy())
    await again.synced()
    expect(again.text.toString()).toBe('hello')
  })
})

test('a client of y-websocket hears 4410 also when it comes late', async () => {
  const name = await newDocument()
  await remove(name)
  const late = openYWebsocket(server, name)
  onTestFinished(() => late.destroy())
  const code = await new Promise((resolve) => {
    late.on('connection-close', (event: { code: number } | null) => resolve(event?.code))
  })
  expect(code).toBe(CloseCode.Deleted)
})

test('over HTTP a deleted document is 410 with its chat, found by nobody, and back once it is restored', async () => {
  const name = await newDocument()
  const messages = `/api/rooms/${encodeURIComponent(`chat/${name}`)}/messages`
  const paths = [`${pathOf(name)}/sync`, messages, `/api/search/messages?q=needle&room=chat/${name}`]
  const found = async () => (await call('GET', `/api/search/messages?q=needle${documents}`)).body.messages.length
  expect(await found()).toBe(1)
  const listed = async (token?: TokenOptions, query = '') =>
    (await call('GET', `/api/documents?prefix=${name}${query}`, token)).body.documents.map(
      (one: { name: string }) => one.name,
    )

  const deletion = await remove(name)
  expect(deletion.body).toMatchObject({ name, deleted: { by: 'mia', isErased: false } })
  expect(deletion.body.erasedAt - deletion.body.deleted.at).toBe(30 * 24 * 60 * 60 * 1000)
  expect((await remove(name, admin)).body).toEqual(deletion.body)
  for (const path of paths)
    expect(await call('GET', path)).toMatchObject({ status: 410, body: { code: 'document/deleted' } })
  expect(await call('POST', messages, undefined, { text: 'late' })).toMatchObject({ status: 410 })
  expect(await found()).toBe(0)
  expect(await listed()).toEqual([])
  expect(await listed(admin, '&deleted=true')).toEqual([name])
  expect(await call('GET', '/api/documents?deleted=true')).toMatchObject({
    status: 403,
    body: { code: 'access/not-admin' },
  })

  expect((await restore(name)).body).toEqual({ name, restored: true })
  expect((await restore(name)).body).toEqual({ name, restored: false })
  for (const path of paths) expect((await call('GET', path)).status).toBe(200)
  expect(await found()).toBe(1)
  expect(await listed()).toEqual([name])
})

test('nobody deletes, restores or erases without the right to; rooms are not deleted alone', async () => {
  const name = await newDocument()
  const writer: TokenOptions = { access: { '**': 'write' } }
  const elsewhere: TokenOptions = { access: { 'other/**': 'moderate' } }
  const denied = { status: 403, body: { code: 'access/no-grant' } }
  for (const token of [writer, elsewhere]) {
    expect(await remove(name, token)).toMatchObject(denied)
    expect(await restore(name, token)).toMatchObject(denied)
  }
  expect((await fetch(`${server.url}${pathOf(name)}`, { method: 'DELETE' })).status).toBe(401)
  expect(await remove(name, undefined, '?erase=true')).toMatchObject({
    status: 403,
    body: { code: 'access/not-admin' },
  })
  expect(await remove(name, undefined, '?erase=perhaps')).toMatchObject({ status: 400 })
  expect(await remove('a//b')).toMatchObject({ status: 400, body: { code: 'document/bad-name' } })
  for (const room of [`chat/${name}`, `chat/${name}@1`, 'dm/ann,bob', 'inbox/ann', 'lobby/all']) {
    expect(await remove(room, admin)).toMatchObject({ status: 409, body: { code: 'document/is-room' } })
  }
  expect((await call('GET', `${pathOf(name)}/sync`)).status).toBe(200)
})

test('an erased document stays refused until an admin frees its name', async () => {
  const name = await newDocument()
  const { body } = await remove(name, admin, '?erase=true')
  expect(body).toEqual({ name, deleted: { at: expect.any(Number), by: 'mia', isErased: true } })
  expect(await restore(name)).toMatchObject({ status: 410, body: { code: 'document/erased' } })
  expect(await call('GET', `${pathOf(name)}/sync`)).toMatchObject({ status: 410 })
  expect(await restore(name, admin)).toEqual({ status: 200, body: { name, restored: false } })
  const ann = openClient(server, name)
  onTestFinished(() => ann.destroy())
  await ann.synced()
  expect(ann.text.toString()).toBe('')
})

test('[promise 1] an edit that is on its way when the document is deleted is in it, or is not said to be saved', async () => {
  const slow = await startServer({ environment: preloading(['slow-commits'], { SLOW_COMMIT_MS: '60' }) })
  onTestFinished(async () => {
    await slow.stop()
  })
  const session = openSession(slow, { as: 'eve', keepLocally: false })
  const [document, beside] = [session.document('typed'), session.document('beside')]
  await Promise.all([document.whenSynced, beside.whenSynced])
  write(document, '.')
  await document.whenSaved()
  let edits = 1
  let isOver = false
  const typing = (async () => {
    for (; !isOver; edits += 1) {
      write(document, '.')
      await setTimeout(5)
    }
  })()
  const authorization = `Bearer ${tokenFor('mia', moderator)}`
  expect(
    (await fetch(`${slow.url}/api/documents/typed`, { method: 'DELETE', headers: { authorization } })).status,
  ).toBe(200)
  isOver = true
  await typing
  await whenState(document.state, ({ status }) => status.kind === 'refused')
  // Whatever was still to be told has come by then.
  write(beside, 'x')
  await beside.whenSaved()
  const claimed = edits - document.unsaved
  await fetch(`${slow.url}/api/documents/typed/undelete`, { method: 'POST', headers: { authorization } })
  const reader = openClient(slow, 'typed')
  onTestFinished(() => reader.destroy())
  await reader.synced()
  expect(reader.text.length).toBeGreaterThanOrEqual(claimed)
  document.retry()
  await whenDocument(reader.ydoc, () => reader.text.length === edits)
  await document.whenSaved()
})

test('a document is erased in the background once its time is up, and edits go on', async () => {
  const short = await startServer({ environment: { DELETED_DOCUMENT_DAYS: '0.00001' } })
  onTestFinished(async () => {
    await short.stop()
  })
  const ann = openClient(short, 'gone')
  const ben = openClient(short, 'stays')
  onTestFinished(() => {
    for (const client of [ann, ben]) client.destroy()
  })
  await Promise.all([ann.synced(), ben.synced()])
  ann.text.insert(0, 'hello')
  await ann.saved()
  const authorization = `Bearer ${tokenFor('mia', { admin: true })}`
  await fetch(`${short.url}/api/documents/gone`, { method: 'DELETE', headers: { authorization } })
  const deletions = async () => {
    ben.text.insert(0, 'x')
    await ben.saved()
    const answer = await fetch(`${short.url}/api/documents?deleted=true`, { headers: { authorization } })
    return (await answer.json()).documents
  }
  const erased = [
    expect.objectContaining({ name: 'gone', position: 0, deleted: expect.objectContaining({ isErased: true }) }),
  ]
  await expect.poll(deletions, { timeout: 20_000 }).toEqual(erased)
})
