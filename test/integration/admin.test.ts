import jwt from 'jsonwebtoken'
import * as decoding from 'lib0/decoding'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { closeSessions, openSession, textOf, whenState, write } from '../support/client-session.ts'
import { openClient, openYWebsocket, until } from '../support/clients.ts'
import { EventSourceReader } from '../support/event-source.ts'
import { Instances } from '../support/instances.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { databaseUrl, type TestServer, temporaryFolder, testSecret, tokenFor } from '../support/server.ts'

/** It holds everywhere within 5 s, on a machine that has nothing else to do. */
const SOON = { timeout: 20_000 }

// Two instances that share a database, and no Redis.
let instances: Instances
let [here, there]: TestServer[] = []
beforeAll(async () => {
  instances = await Instances.start(2, { databaseUrl: databaseUrl(temporaryFolder()) })
  ;[here, there] = instances.all.map(({ server }) => server)
})
afterAll(async () => {
  closeSessions()
  await instances.close()
})

function serverOf(which: 'here' | 'there'): TestServer {
  const server = which === 'here' ? here : there
  if (server === undefined) throw new Error('two were started')
  return server
}

const admin = (path: string, options: RestOptions = {}) =>
  rest(serverOf('here'), `/api/admin/${path}`, { user: 'root', admin: true, access: {}, ...options })

const act = (action: string, body: object) => admin(action, { method: 'POST', body })

const codeOf = ({ status, body }: Awaited<ReturnType<typeof rest>>) => ({ status, code: body.code })

/** Bob, in a stock client on the other instance, and what he is closed with. */
async function openBob(name: string) {
  const client = openYWebsocket(serverOf('there'), name, 'bob')
  onTestFinished(() => client.destroy())
  const closed = new Promise((resolve) => {
    client.on('connection-close', (event: { code: number } | null) => resolve(event?.code))
  })
  await until(
    () => client.synced,
    (check) => client.on('sync', check),
  )
  return { client, closed }
}

describe('for an admin alone', () => {
  test('the API tells how the server is, and what is open', async () => {
    const ann = openClient(serverOf('here'), 'notes/open')
    onTestFinished(() => ann.destroy())
    await ann.synced()
    for (const letter of 'abc') ann.text.insert(0, letter)
    await ann.saved()
    const { body: figures } = await admin('overview')
    expect(figures).toMatchObject({
      connections: 1,
      users: 1,
      documents: 1,
      relay: 'none',
      version: expect.any(String),
    })
    expect(figures.updates).toEqual({ taken: 3, committed: 3 })
    for (const each of ['at', 'uptime', 'memoryBytes']) expect(figures[each], each).toBeGreaterThan(0)
    const user = { user: 'ann', name: 'ann', connections: 1, level: 'write', isMuted: false }
    const open = {
      name: 'notes/open',
      connections: 1,
      users: [user],
      elsewhere: [],
      bytes: expect.any(Number),
      position: 3,
    }
    expect((await admin('documents')).body).toEqual({ documents: [open] })
    expect((await admin('documents?after=notes/open')).body).toEqual({ documents: [] })

    const { body: document } = await admin(`documents/${encodeURIComponent('notes/open')}?limit=2`)
    expect(document).toMatchObject({ name: 'notes/open', position: 3, open, snapshot: { position: 0 }, next: 2 })
    const row = { author: 'ann', at: expect.any(Number), bytes: expect.any(Number) }
    expect(document.rows).toEqual([3, 2].map((position) => ({ position, ...row })))
    const { body: last } = await admin(`documents/${encodeURIComponent('notes/open')}?before=2`)
    expect(last.rows).toEqual([{ position: 1, ...row }])
    expect(last.next).toBeUndefined()

    const compacted = await act(`documents/${encodeURIComponent('notes/open')}/compact`, {})
    expect(compacted.body).toEqual({ snapshot: 3 })
    expect((await admin(`documents/${encodeURIComponent('notes/open')}`)).body.snapshot).toMatchObject({ position: 3 })
    ann.text.insert(0, 'd')
    await ann.saved()
    const parts = await fetch(`${serverOf('here').url}/api/admin/documents/${encodeURIComponent('notes/open')}/parts`, {
      headers: { authorization: `Bearer ${tokenFor('root', { admin: true })}` },
    })
    const decoder = decoding.createDecoder(new Uint8Array(await parts.arrayBuffer()))
    const ydoc = new Y.Doc()
    while (decoding.hasContent(decoder)) Y.applyUpdate(ydoc, decoding.readVarUint8Array(decoder))
    expect(ydoc.getText('text').toString()).toBe('dcba')

    expect(codeOf(await admin('documents/never'))).toEqual({ status: 404, code: 'document/not-found' })
    for (const path of ['overview', 'documents', 'documents/a', 'documents/a/parts', 'restrictions', 'audit']) {
      expect(codeOf(await admin(path, { admin: false })), path).toEqual({ status: 403, code: 'access/not-admin' })
    }
    for (const action of ['kick', 'mute', 'revoke', 'reinstate', 'documents/a/compact']) {
      const answer = await admin(action, { admin: false, method: 'POST', body: { user: 'ann', minutes: 1 } })
      expect(codeOf(answer), action).toEqual({ status: 403, code: 'access/not-admin' })
    }
  })
})

describe('on every instance, within seconds,', () => {
  test('a muted user may read, not write, also after a restart, until the time is over', async () => {
    const session = openSession(serverOf('there'), { as: 'bob' })
    const mine = session.document('notes/quiet')
    await mine.whenSynced
    write(mine, 'before')
    await mine.whenSaved()
    const stock = openClient(serverOf('there'), 'notes/quiet', { user: 'bob' })
    onTestFinished(() => stock.destroy())
    await stock.synced()

    expect((await act('mute', { user: 'bob', document: 'notes/quiet', minutes: 5 })).status).toBe(200)
    const put = () =>
      rest(serverOf('there'), documentPath('notes/quiet'), { user: 'bob', method: 'PUT', body: 'over HTTP' })
    const muted = { status: 403, code: 'access/muted' }
    await vi.waitFor(async () => expect(codeOf(await put())).toEqual(muted), SOON)
    const post = { user: 'bob', method: 'POST', body: { text: 'hello' } }
    const room = `/api/rooms/${encodeURIComponent('chat/notes/quiet')}/messages`
    expect(codeOf(await rest(serverOf('there'), room, post))).toEqual(muted)
    const refused = new Promise((resolve) => mine.onRefused(resolve))
    write(mine, ' and after')
    expect(await refused).toMatchObject({ rule: 'access/muted' })
    const closes: number[] = []
    stock.socket.on('close', ({ event }: { event: { code: number } }) => closes.push(event.code))
    stock.text.insert(0, 'stock')
    // He reads what others write, on the same connection, and may write elsewhere.
    const ann = openClient(serverOf('here'), 'notes/quiet')
    onTestFinished(() => ann.destroy())
    await ann.synced()
    ann.text.insert(0, 'Ann: ')
    await vi.waitFor(() => expect(stock.text.toString()).toMatch(/Ann: .*before/), SOON)
    expect(ann.text.toString()).toBe('Ann: before')
    expect(closes).toEqual([])
    const other = await rest(serverOf('there'), documentPath('notes/loud'), { user: 'bob', method: 'PUT', body: 'x' })
    expect(other.status).toBe(201)

    await instances.all[1]?.kill()
    await instances.all[1]?.restart()
    there = instances.all[1]?.server
    expect(codeOf(await put())).toEqual(muted)
    expect((await act('mute', { user: 'bob', document: 'notes/quiet', minutes: 0 })).status).toBe(200)
    await vi.waitFor(async () => expect((await put()).status).toBe(200), SOON)
    expect(textOf(mine)).toContain('Ann: ')
  })

  test('a kicked user is sent away with 4403, from one document or all', async () => {
    const [kept, left] = [await openBob('notes/kept'), await openBob('notes/left')]
    const session = openSession(serverOf('there'), { as: 'bob' })
    const [mine, others] = [session.document('notes/left'), session.document('notes/kept')]
    await Promise.all([mine.whenSynced, others.whenSynced])
    expect((await act('kick', { user: 'bob', document: 'notes/left' })).status).toBe(200)
    expect(await left.closed).toBe(CloseCode.Forbidden)
    const { status } = await whenState(mine.state, ({ status }) => status.kind === 'refused')
    expect(status).toMatchObject({ refusal: { reason: 'forbidden', message: 'access/kicked' } })
    expect(others.status).toMatchObject({ kind: 'online' })
    expect((await act('kick', { user: 'bob' })).status).toBe(200)
    expect(await kept.closed).toBe(CloseCode.Forbidden)
    // Who comes back is let in: a kick is over at once.
    await openBob('notes/left')
  })

  test('a kicked user is told nothing more of events, nor shown, of one document or all', async () => {
    const stream = async (path: string) => {
      const reader = await EventSourceReader.open(`${serverOf('there').url}/api/${path}`, { user: 'bob', admin: true })
      onTestFinished(() => reader.close())
      return reader
    }
    const [kept, left] = await Promise.all(
      ['told/kept', 'told/left'].map(async (name) => {
        const reader = await stream(documentPath(name, '/events').replace('/api/', ''))
        await reader.next('begin')
        return reader
      }),
    )
    const [own, everything] = [await stream('me/events'), await stream('events?after=1000000')]
    const shown = async () => (await rest(serverOf('there'), documentPath('told/left', '/presence'))).body.present
    const shownBody = { method: 'PUT', user: 'bob', body: {} }
    expect((await rest(serverOf('there'), documentPath('told/left', '/presence'), shownBody)).status).toBe(204)
    await vi.waitFor(async () => expect(await shown()).toMatchObject([{ user: 'bob' }]), SOON)
    expect((await act('kick', { user: 'bob', document: 'told/left' })).status).toBe(200)
    expect(await left?.next('update')).toBeUndefined()
    await vi.waitFor(async () => expect(await shown()).toEqual([]), SOON)
    const writer = openClient(serverOf('there'), 'told/kept', { user: 'ann' })
    onTestFinished(() => writer.destroy())
    await writer.synced()
    writer.text.insert(0, 'goes on')
    expect(await kept?.next('update')).toBeDefined()
    expect((await act('kick', { user: 'bob' })).status).toBe(200)
    for (const reader of [kept, own, everything]) {
      let event = await reader?.next()
      while (event !== undefined) event = await reader?.next()
    }
  })

  test('tokens of before a revocation are refused with 4401; newer ones are not, nor those of others', async () => {
    const bob = await openBob('notes/revoked')
    const list = (token: string) =>
      fetch(`${serverOf('there').url}/api/documents`, { headers: { authorization: `Bearer ${token}` } })
    const old = tokenFor('bob')
    expect((await list(old)).status).toBe(200)
    const { body } = await act('revoke', { user: 'bob' })
    expect(await bob.closed).toBe(CloseCode.Unauthorized)
    const refused = await list(old)
    expect(codeOf({ status: refused.status, body: await refused.json() } as never)).toEqual({
      status: 401,
      code: 'access/token-revoked',
    })
    const claims = (issuedAt?: number) => ({
      sub: 'bob',
      exp: Math.floor(Date.now() / 1000) + 600,
      ...(issuedAt === undefined ? {} : { iat: issuedAt }),
    })
    const next = Math.ceil(Number(body.at) / 1000)
    const ageless = jwt.sign(claims(), testSecret, { noTimestamp: true })
    expect((await list(jwt.sign(claims(next), testSecret))).status).toBe(200)
    expect((await list(ageless)).status).toBe(401)
    expect((await list(tokenFor('ann'))).status).toBe(200)
    expect((await admin('restrictions')).body.restrictions).toEqual([
      { kind: 'revocation', user: 'bob', document: '', at: body.at, by: 'root' },
    ])
    await act('reinstate', { user: 'bob' })
    await vi.waitFor(async () => expect((await list(ageless)).status).toBe(200), SOON)
  })
})

test('the audit log tells what admins did, newest first, with what became of it', async () => {
  const { body: before } = await admin('audit?limit=1')
  await rest(serverOf('here'), documentPath('notes/gone'), { method: 'PUT', body: 'x' })
  const moderator = { user: 'mia', access: { '**': 'moderate' } }
  await rest(serverOf('here'), documentPath('notes/gone'), { ...moderator, method: 'DELETE' })
  const asRoot = { user: 'root', admin: true, access: {} }
  await rest(serverOf('here'), documentPath('notes/gone', '/undelete'), { ...asRoot, method: 'POST', body: {} })
  await rest(serverOf('here'), documentPath('notes/gone', '?erase=true'), { ...asRoot, method: 'DELETE' })
  await rest(serverOf('here'), documentPath('notes/gone', '/undelete'), { ...asRoot, method: 'POST', body: {} })
  await rest(serverOf('here'), documentPath('notes/gone', '/reset'), {
    ...asRoot,
    method: 'POST',
    body: { position: 7 },
  })
  await act('mute', { user: 'zoë', minutes: 2 })
  expect((await act('mute', { user: 'zoë', document: '../etc', minutes: 2 })).status).toBe(400)
  const actions = (await admin('audit?limit=5')).body
  const entry = { at: expect.any(Number), admin: 'root', user: '', document: 'notes/gone', detail: '', outcome: 'done' }
  const [{ number: last }] = before.actions as [{ number: number }]
  expect(actions).toEqual({
    actions: [
      { ...entry, number: last + 5, action: 'mute', user: 'zoë', document: '', detail: '2 minutes' },
      { ...entry, number: last + 4, action: 'reset', outcome: 'failed: history/no-such-position' },
      { ...entry, number: last + 3, action: 'undelete' },
      { ...entry, number: last + 2, action: 'erase' },
      { ...entry, number: last + 1, action: 'undelete' },
    ],
    next: last + 1,
  })
  expect((await admin(`audit?before=${last + 1}&limit=1`)).body).toEqual(before)
})
