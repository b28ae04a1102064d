import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import type { RefusedChange } from '../../client/api.ts'
import { TokenRefusedError } from '../../client/index.ts'
import { openSegmentOf, sendMessage } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import { closeSessions, openSession, textOf, whenState, write } from '../support/client-session.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

beforeEach(() => {
  documents += 1
  name = `refusals/${documents}`
})

afterEach(closeSessions)

describe('a refused token', () => {
  test('that stays the same ends in a refusal, after asking for another one once', async () => {
    let calls = 0
    const session = openSession(server, {
      token: async () => {
        calls += 1
        return tokenFor('ann', { expiresInS: -60 })
      },
    })
    const document = session.document(name)
    await expect(document.whenSynced).rejects.toMatchObject({
      code: 'client/refused',
      refusal: { reason: 'unauthorized' },
    })
    expect(document.status).toMatchObject({ kind: 'refused', refusal: { reason: 'unauthorized' } })
    expect(session.status.get()).toMatchObject({ kind: 'refused' })
    expect(calls).toBe(2)
    write(document, 'x')
    await expect(document.whenSaved()).rejects.toMatchObject({ code: 'client/refused' })
    await expect(document.whenReady).rejects.toMatchObject({ code: 'client/refused' })
  })

  test('is replaced by a good one, and after a refusal the app can try again', async () => {
    const tokens = [tokenFor('ann', { expiresInS: -60 }), 'no token at all', tokenFor('ann')]
    const session = openSession(server, { token: async () => tokens.shift() ?? tokenFor('ann') })
    const document = session.document(name)
    await whenState(document.state, ({ status }) => status.kind === 'refused')
    expect(document.status).toMatchObject({
      refusal: { reason: 'unauthorized', message: expect.stringContaining('names no user') },
    })
    document.retry()
    await whenState(document.state, ({ status }) => status.kind === 'online')
    await document.whenSynced
    write(document, 'x')
    await document.whenSaved()
  })

  test('the app has none for this user', async () => {
    const session = openSession(server, {
      token: async () => {
        throw new TokenRefusedError('signed out')
      },
    })
    const document = session.document(name)
    const { status } = await whenState(document.state, (state) => state.status.kind === 'refused')
    expect(status).toEqual({ kind: 'refused', refusal: { reason: 'unauthorized', message: 'signed out' } })
  })

  test('of another user is not used', async () => {
    const session = openSession(server, { user: 'ann', as: 'bob' })
    const { status } = await whenState(session.document(name).state, (state) => state.status.kind === 'refused')
    expect(status).toMatchObject({ refusal: { reason: 'other-user' } })
  })

  test('a token that can’t be had just now is waited for', async () => {
    let calls = 0
    const session = openSession(server, {
      token: async () => {
        calls += 1
        if (calls === 1) throw new Error('the network is away')
        return tokenFor('ann')
      },
    })
    const document = session.document(name)
    const offline = await whenState(document.state, ({ status }) => status.kind !== 'connecting')
    expect(offline.status).toMatchObject({ kind: 'offline', reason: expect.stringContaining('the network is away') })
    await document.whenSynced
  })
})

describe('a token that ends', () => {
  test('is renewed before, on the same connection', async () => {
    let calls = 0
    const session = openSession(server, {
      token: async () => {
        calls += 1
        return tokenFor('ann', { expiresInS: 3 })
      },
    })
    const document = session.document(name)
    await document.whenSynced
    const statuses: string[] = []
    document.state.subscribe(() => statuses.push(document.status.kind))
    await new Promise((resolve) => setTimeout(resolve, 9_500))
    write(document, 'x')
    await document.whenSaved()
    expect(new Set(statuses)).toEqual(new Set(['online']))
    expect(calls).toBeGreaterThanOrEqual(3)
    expect(calls).toBeLessThan(10)
  })

  test('ends in a refusal where the app has no other one', async () => {
    const token = tokenFor('ann', { expiresInS: 1 })
    let calls = 0
    const session = openSession(server, {
      token: async () => {
        calls += 1
        return token
      },
    })
    const document = session.document(name)
    await document.whenSynced
    await whenState(document.state, ({ status }) => status.kind === 'refused')
    expect(document.status).toMatchObject({ refusal: { reason: 'unauthorized' } })
    expect(document.state.get().ready).toBe(true)
    const asked = calls
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    expect(calls).toBe(asked)
    expect(calls).toBeLessThan(20)
  })
})

describe('a document', () => {
  test('that the token does not grant is refused, and the others on the socket go on', async () => {
    const session = openSession(server, { tokenOptions: { access: { 'refusals/**': 'write' } } })
    const secret = session.document('secret/plan')
    const open = session.document(name)
    await open.whenSynced
    await expect(secret.whenSynced).rejects.toMatchObject({ refusal: { reason: 'forbidden' } })
    expect(session.status.get()).toMatchObject({ kind: 'online' })
    write(open, 'goes on')
    await open.whenSaved()
  })

  test('is opened with a new token that grants it', async () => {
    let access: Record<string, 'write'> = { 'refusals/**': 'write' }
    const session = openSession(server, {
      token: async () => tokenFor('ann', { access, name: `${Object.keys(access)}` }),
    })
    const secret = session.document('secret/plan')
    const open = session.document(name)
    await open.whenSynced
    await whenState(secret.state, ({ status }) => status.kind === 'refused')
    access = { '**': 'write' }
    secret.retry()
    await whenState(secret.state, ({ status }) => status.kind === 'online')
    expect(open.status.kind).toBe('online')
    await secret.whenSynced
  })

  test('whose grant is gone with a renewed token is refused, and the others go on', async () => {
    const grants: Record<string, 'write'>[] = [{ '**': 'write' }, { 'refusals/**': 'write' }]
    let last: Record<string, 'write'> = {}
    const session = openSession(server, {
      token: async () => {
        last = grants.shift() ?? last
        return tokenFor('ann', { expiresInS: 4, access: last })
      },
    })
    const secret = session.document('secret/plan')
    const open = session.document(name)
    await Promise.all([secret.whenSynced, open.whenSynced])
    const others: string[] = []
    open.state.subscribe(() => others.push(open.status.kind))
    await whenState(secret.state, ({ status }) => status.kind === 'refused')
    expect(secret.status).toMatchObject({ refusal: { reason: 'forbidden' } })
    expect(secret.state.get().ready).toBe(true)
    write(open, 'goes on')
    await open.whenSaved()
    expect(new Set(others)).toEqual(new Set(['online']))
  })

  test('that may only be read says so, and does not pretend to save', async () => {
    const session = openSession(server, { tokenOptions: { access: { '**': 'read' } } })
    const document = session.document(name)
    await document.whenSynced
    expect(document.state.get().readOnly).toBe('grant')
    write(document, 'x')
    await expect(document.whenSaved()).rejects.toMatchObject({ code: 'client/read-only' })
    expect(document.unsaved).toBe(1)
  })
})

describe('a refused change', () => {
  test('with a client id of somebody else is taken back, and the document goes on', async () => {
    const ann = openSession(server).document(name)
    await ann.whenSynced
    write(ann, 'hello')
    await ann.whenSaved()
    const bob = openSession(server, { as: 'bob' }).document(name)
    await bob.whenSynced
    bob.ydoc.clientID = ann.ydoc.clientID
    const refused = new Promise<RefusedChange>((resolve) => bob.onRefused(resolve))
    write(bob, ' forged')
    expect((await refused).rule).toBe('document/client-id-taken')
    expect(textOf(bob)).toBe('hello')
    write(bob, ' world')
    await bob.whenSaved()
    await expect.poll(() => textOf(ann)).toBe('hello world')
    expect(bob.status.kind).toBe('online')
  })

  test('is taken back and handed to the app, and the document goes on', async () => {
    const room = `chat/${name}`
    const session = openSession(server)
    const head = session.document(room)
    await whenState(head.state, () => openSegmentOf(head.ydoc) !== undefined || head.state.get().synced)
    await new Promise<void>((resolve) => {
      const check = () => openSegmentOf(head.ydoc) !== undefined && resolve()
      head.ydoc.on('update', check)
      check()
    })
    const segment = session.document(segmentName(room, 1))
    await segment.whenSynced
    const before = segment.ydoc
    const changes: RefusedChange[] = []
    const replaced: Y.Doc[] = []
    let destroyedTooEarly = false
    segment.onRefused((change) => {
      destroyedTooEarly ||= change.before.isDestroyed
      changes.push(change)
    })
    const done = new Promise<void>((resolve) => {
      segment.onReplaced((ydoc) => {
        replaced.push(ydoc)
        resolve()
      })
    })
    sendMessage(segment.ydoc, 'ann', { text: 'mine' })
    await segment.whenSaved()
    const forged = sendMessage(segment.ydoc, 'mallory', { text: 'not mine' })
    sendMessage(segment.ydoc, 'ann', { text: 'after it' })
    await expect(segment.whenSaved()).rejects.toMatchObject({ code: 'client/change-refused' })
    await done
    expect(changes).toHaveLength(1)
    expect(changes[0]?.rule).toMatch(/^chat\//)
    expect(destroyedTooEarly).toBe(false)
    expect(replaced).toEqual([segment.ydoc])
    expect(segment.ydoc).not.toBe(before)
    expect(before.isDestroyed).toBe(true)
    expect(segment.ydoc.getArray('messages').length).toBe(1)
    expect(segment.unsaved).toBe(0)

    // What was refused is in the update, upon what the server has.
    const kept = new Y.Doc()
    Y.applyUpdate(kept, Y.encodeStateAsUpdate(segment.ydoc))
    Y.applyUpdate(kept, changes[0]?.update ?? new Uint8Array())
    expect(JSON.stringify(kept.getArray('messages'))).toContain(forged)

    sendMessage(segment.ydoc, 'ann', { text: 'goes on' })
    await segment.whenSaved()
    expect(changes).toHaveLength(1)
    expect(session.status.get()).toMatchObject({ kind: 'online' })
    expect(textOf(segment)).toBe('')
  })
})
