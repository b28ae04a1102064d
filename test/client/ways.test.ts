import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type BlockingProxy, startBlockingProxy } from '../support/blocking-proxy.ts'
import { closeSessions, openSession, textOf, whenState, whenText, write } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let proxy: BlockingProxy | undefined

async function start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  server = await startServer({ environment })
}

beforeEach(() => {
  vi.stubGlobal('window', new EventTarget())
})

afterEach(async () => {
  closeSessions()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  proxy?.close()
  proxy = undefined
  expect(await server.stop()).toBe(0)
})

describe('where sockets are blocked', () => {
  test('it goes over HTTP, and back to a socket once that can be had', async () => {
    await start()
    proxy = await startBlockingProxy(server.port)
    const session = openSession(proxy)
    const document = session.document('ways/one')
    await document.whenSynced
    expect(document.status).toEqual({ kind: 'online', via: 'http' })
    expect(proxy.upgrades).toBe(2)
    write(document, 'over HTTP')
    await document.whenSaved()
    const other = openSession(server, { as: 'bob' }).document('ways/one')
    await other.whenSynced
    expect(textOf(other)).toBe('over HTTP')
    write(other, ', and back')
    await whenText(document, 'over HTTP, and back')

    proxy.blocksSockets = false
    window.dispatchEvent(new Event('online'))
    await whenState(document.state, ({ status }) => status.kind === 'online' && status.via === 'socket')
    write(document, '!')
    await document.whenSaved()
  })
})

describe('a message that is too big', () => {
  test('for what was set goes up over HTTP', async () => {
    await start()
    const document = openSession(server, { maxMessageBytes: 100_000 }).document('big/one')
    await document.whenSynced
    write(document, 'x'.repeat(300_000))
    await document.whenSaved()
    write(document, 'small')
    await document.whenSaved()
    expect(document.status).toEqual({ kind: 'online', via: 'socket' })
    const other = openSession(server, { as: 'bob' }).document('big/one')
    await other.whenSynced
    expect(textOf(other)).toHaveLength(300_005)
  })

  test('for the server goes up over HTTP, also when it was written with no network', async () => {
    await start({ MAX_MESSAGE_BYTES: '600000' })
    const document = openSession(server).document('big/two')
    await document.whenSynced
    window.dispatchEvent(new Event('offline'))
    await whenState(document.state, ({ status }) => status.kind === 'offline')
    write(document, 'x'.repeat(1_000_000))
    window.dispatchEvent(new Event('online'))
    await document.whenSaved()
    expect(document.status).toEqual({ kind: 'online', via: 'socket' })
    const other = openSession(server, { as: 'bob' }).document('big/two')
    await other.whenSynced
    expect(textOf(other)).toHaveLength(1_000_000)
  })
})

describe('an app whose schema is too old', () => {
  test('may only read; what it wrote stays until it is newer', async () => {
    await start({ MIN_SCHEMA: '3' })
    const old = openSession(server, { schema: 2 }).document('schema/one')
    const refused = vi.fn()
    old.onRefused(refused)
    await old.whenSynced
    expect(old.state.get().readOnly).toBe('schema-too-old')
    write(old, 'x')
    await expect(old.whenSaved()).rejects.toMatchObject({ code: 'client/read-only' })
    expect(old.unsaved).toBe(1)
    expect(textOf(old)).toBe('x')
    expect(refused).not.toHaveBeenCalled()
    const current = openSession(server, { schema: 3 }).document('schema/one')
    await current.whenSynced
    expect(current.state.get().readOnly).toBe(false)
    write(current, 'y')
    await current.whenSaved()
    await new Promise<void>((resolve) => {
      const check = () => textOf(old).includes('y') && resolve()
      old.ydoc.on('update', check)
      check()
    })
    expect(textOf(old)).toHaveLength(2)
    expect(textOf(current)).toBe('y')
  })
})
