import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { CloseCode, mayRetryUnchanged, type Refusal } from '../../client/index.ts'
import { Cable } from '../support/cable.ts'
import { closeSessions, openSession, textOf, whenState, whenText, write } from '../support/client-session.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

/** Longer than the first wait before a reconnect can be. */
const WATCHED_MS = 4_000

/** The table of the guide: close code → reason. */
const documented = new Map(
  [
    ...readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8').matchAll(
      /^\| (`[a-z`, -]+`) \| ([\d, ]*) \|/gm,
    ),
  ]
    .flatMap(([, reasons = '', codes = '']) => {
      const names = reasons.split(', ').map((name) => name.replaceAll('`', ''))
      return codes.split(', ').map((code, index) => [Number(code), names[index] ?? 'other'] as const)
    })
    .filter(([code]) => code > 0),
)

// Tests run side by side: most of their time they only watch.
afterAll(closeSessions)

/** A server that closes each socket with `code` as soon as it is asked for something, and counts them. */
async function startRefusing(code: number): Promise<{ url: string; connections: () => number; close: () => void }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  let connections = 0
  server.on('connection', (socket) => {
    connections += 1
    socket.on('message', () => socket.close(code, 'because of the test'))
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, connections: () => connections, close: () => server.close() }
}

describe('a server that closes every socket', () => {
  test('the guide tells of every code that forbids coming back', () => {
    const codes = Object.values(CloseCode).filter((code) => !mayRetryUnchanged(code))
    expect([...documented.keys()].sort()).toEqual(codes.sort())
  })

  test.concurrent.each([...documented])('with %i ends in a refusal, "%s", and not in a loop', async (code, reason) => {
    const server = await startRefusing(code)
    let tokens = 0
    const session = openSession(server, {
      // Always a new one, so that none is turned down for being the old one.
      token: async () => {
        tokens += 1
        return tokenFor('ann', { name: `Ann ${tokens}` })
      },
      keepLocally: false,
    })
    const document = session.document('ends/one')
    const { status } = await whenState(document.state, (state) => state.status.kind === 'refused')
    expect(status).toMatchObject({ kind: 'refused', refusal: { reason } })
    const connections = server.connections()
    expect(connections).toBeLessThanOrEqual(2)
    await setTimeout(WATCHED_MS)
    expect(server.connections()).toBe(connections)
    expect(tokens).toBeLessThanOrEqual(3)
    // The app may have it tried again, which ends the same way.
    document.retry()
    await whenState(document.state, (state) => state.status.kind !== 'refused')
    await whenState(document.state, (state) => state.status.kind === 'refused')
    expect(server.connections()).toBeLessThanOrEqual(2 * connections)
    server.close()
  })

  test.concurrent.each([CloseCode.GoingAway, CloseCode.MessageTooBig, CloseCode.TryAgainLater])(
    'with %i is asked again, with waits between',
    async (code) => {
      const server = await startRefusing(code)
      const document = openSession(server, { keepLocally: false }).document('ends/one')
      await whenState(document.state, ({ status }) => status.kind === 'offline')
      await vi.waitFor(() => expect(server.connections()).toBeGreaterThan(1), { timeout: 20_000 })
      const connections = server.connections()
      await setTimeout(WATCHED_MS)
      expect(document.status.kind).not.toBe('refused')
      // The shortest waits that there can be are half a second long.
      expect(server.connections()).toBeLessThanOrEqual(connections + 1 + WATCHED_MS / 500)
      server.close()
    },
  )
})

describe('access that ends', () => {
  let server: TestServer
  const cables: Cable[] = []

  beforeAll(async () => {
    server = await startServer({ environment: { MIN_SCHEMA: '2' } })
  })

  afterAll(async () => {
    for (const cable of cables) cable.close()
    expect(await server.stop()).toBe(0)
  })

  /** A way to the server, and a document, of one test. */
  async function begin(): Promise<{ cable: Cable; name: string }> {
    const cable = await Cable.to(server)
    cables.push(cable)
    return { cable, name: `ends/${cables.length}` }
  }

  /** Expects no connection that is made from now on. */
  async function expectPeace(cable: Cable): Promise<void> {
    const { accepted } = cable
    await setTimeout(WATCHED_MS)
    expect(cable.accepted).toBe(accepted)
  }

  const refused = (reason: Refusal['reason']) => ({ kind: 'refused', refusal: { reason } })

  test.concurrent('with the token, and no newer one, is unauthorized', async () => {
    const { cable, name } = await begin()
    const token = tokenFor('ann', { expiresInS: 2 })
    const session = openSession(cable, { token: async () => token, schema: 2 })
    const document = session.document(name)
    await document.whenSynced
    write(document, 'saved')
    await document.whenSaved()
    await whenState(document.state, ({ status }) => status.kind === 'refused')
    expect(document.status).toMatchObject(refused('unauthorized'))
    expect(session.status.get()).toEqual(document.status)
    expect(cable.accepted).toBeLessThanOrEqual(3)
    await expectPeace(cable)
    // What is here is shown, and what is written is counted.
    expect(textOf(document)).toBe('saved')
    write(document, ', unsaved')
    expect(document.unsaved).toBe(1)
  })

  test.concurrent('with a grant that the next token lacks is forbidden, for that document alone', async () => {
    const { cable, name } = await begin()
    let access: Record<string, string> = { '**': 'write' }
    const session = openSession(cable, { token: async () => tokenFor('ann', { access, expiresInS: 3 }), schema: 2 })
    const [revoked, kept] = [session.document(`${name}/revoked`), session.document(`${name}/kept`)]
    await Promise.all([revoked.whenSynced, kept.whenSynced])
    access = { [`${name}/kept`]: 'write' }
    await whenState(revoked.state, ({ status }) => status.kind === 'refused')
    expect(revoked.status).toMatchObject(refused('forbidden'))
    write(kept, 'goes on')
    await kept.whenSaved()
    const { accepted } = cable
    // Through two more renewals, which open nothing that is still forbidden.
    await setTimeout(2 * WATCHED_MS)
    expect(cable.accepted).toBe(accepted)
    expect(kept.status.kind).toBe('online')
    expect(revoked.status).toMatchObject(refused('forbidden'))
    write(kept, ' and on')
    await kept.whenSaved()
    // Granted again, it comes back with the next token by itself.
    access = { '**': 'write' }
    await whenState(revoked.state, ({ status }) => status.kind === 'online')
    await revoked.whenSynced
  })

  test.concurrent('with the grant of the only document is forbidden', async () => {
    const { cable, name } = await begin()
    let access: Record<string, string> = { '**': 'write' }
    const session = openSession(cable, { token: async () => tokenFor('ann', { access }), schema: 2 })
    const document = session.document(name)
    await document.whenSynced
    access = {}
    session.renewToken()
    await whenState(document.state, ({ status }) => status.kind === 'refused')
    expect(document.status).toMatchObject(refused('forbidden'))
    await expectPeace(cable)
  })

  test.concurrent('with a grant to write leaves what may be read', async () => {
    const { cable, name } = await begin()
    let access: Record<string, string> = { '**': 'write' }
    const session = openSession(cable, { token: async () => tokenFor('ann', { access }), schema: 2 })
    const document = session.document(name)
    await document.whenSynced
    write(document, 'written')
    await document.whenSaved()
    access = { '**': 'read' }
    session.renewToken()
    await whenState(document.state, ({ readOnly }) => readOnly === 'grant')
    await whenState(document.state, ({ status }) => status.kind === 'online')
    write(document, ', not taken')
    await expect(document.whenSaved()).rejects.toMatchObject({ code: 'client/read-only' })
    expect(document.unsaved).toBe(1)
    await expectPeace(cable)
  })

  test.concurrent('with a schema that is too old leaves what may be read', async () => {
    const { cable, name } = await begin()
    const document = openSession(cable, { schema: 1 }).document(name)
    await document.whenSynced
    expect(document.state.get()).toMatchObject({ readOnly: 'schema-too-old', status: { kind: 'online' } })
    write(document, 'from an old app')
    await expect(document.whenSaved()).rejects.toMatchObject({ code: 'client/read-only' })
    await expectPeace(cable)
  })

  test.concurrent('with a client id of somebody else takes back what was written with it', async () => {
    const { cable, name } = await begin()
    const owner = openSession(server, { as: 'bob', schema: 2 }).document(name)
    await owner.whenSynced
    write(owner, 'of bob')
    await owner.whenSaved()
    const document = openSession(cable, { schema: 2 }).document(name)
    await document.whenSynced
    const refused = new Promise((resolve) => document.onRefused(({ rule }) => resolve(rule)))
    document.ydoc.clientID = owner.ydoc.clientID
    write(document, ', forged')
    await expect(document.whenSaved()).rejects.toMatchObject({ code: 'client/change-refused' })
    expect(await refused).toBe('document/client-id-taken')
    await whenState(document.state, ({ synced, unsaved }) => synced && unsaved === 0)
    expect(textOf(document)).toBe('of bob')
    write(document, ', and of ann')
    await document.whenSaved()
    await whenText(owner, 'of bob, and of ann')
    await expectPeace(cable)
  })
})
