import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { FakeBrowser } from '../support/browser.ts'
import { Cable } from '../support/cable.ts'
import { closeSessions, openSession, textOf, whenState, whenText, write } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let cable: Cable
let browser: FakeBrowser
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

beforeEach(async () => {
  browser = FakeBrowser.install()
  cable = await Cable.to(server)
  cable.blocksSockets = true
  documents += 1
  name = `http/${documents}`
})

afterEach(() => {
  closeSessions()
  cable.close()
  vi.unstubAllGlobals()
})

test('where sockets are blocked a session goes on over HTTP, and tells so', async () => {
  const document = openSession(cable).document(name)
  const peer = openSession(server, { as: 'bob' }).document(name)
  await peer.whenSynced
  await whenState(document.state, ({ status }) => status.kind === 'online')
  expect(document.status).toEqual({ kind: 'online', via: 'http' })
  write(document, 'over HTTP')
  await document.whenSaved()
  await whenText(peer, 'over HTTP')
  write(peer, ', and back')
  await whenText(document, 'over HTTP, and back')
})

test('it goes back to a socket once there can be one', async () => {
  const session = openSession(cable)
  const document = session.document(name)
  await whenState(document.state, ({ status }) => status.kind === 'online' && status.via === 'http')
  browser.online()
  cable.blocksSockets = false
  await vi.waitFor(
    () => {
      browser.online()
      expect(session.status.get()).toEqual({ kind: 'online', via: 'socket' })
    },
    { timeout: 20_000, interval: 200 },
  )
  write(document, 'over a socket')
  await document.whenSaved()
})

test('[promise 1] what was written while the server was away is sent over HTTP when it is back', async () => {
  const document = openSession(cable).document(name)
  await whenState(document.state, ({ status }) => status.kind === 'online')
  await server.kill()
  await whenState(document.state, ({ status }) => status.kind === 'offline')
  write(document, 'meanwhile')
  expect(document.unsaved).toBe(1)
  server = await server.restart()
  await document.whenSaved()
  expect(document.status).toEqual({ kind: 'online', via: 'http' })
  const peer = openSession(server, { as: 'bob', keepLocally: false }).document(name)
  await peer.whenSynced
  expect(textOf(peer)).toBe('meanwhile')
})

test.each([false, true])(
  'an edit too big for a message goes up in parts (sockets are blocked: %s)',
  async (blocked) => {
    cable.blocksSockets = blocked
    const document = openSession(cable, { maxMessageBytes: 64 * 1024 }).document(name)
    const peer = openSession(server, { as: 'bob' }).document(name)
    await Promise.all([document.whenSynced, peer.whenSynced])
    const big = 'x'.repeat(1024 * 1024)
    write(document, big)
    write(document, ', and a small one')
    await document.whenSaved()
    expect(document.unsaved).toBe(0)
    await whenText(peer, `${big}, and a small one`)
  },
)
