import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type BlockingProxy, startBlockingProxy } from '../support/blocking-proxy.ts'
import { closeSessions, openSession, whenState, write } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let proxy: BlockingProxy | undefined

beforeEach(async () => {
  server = await startServer()
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

describe('a browser that knows of the network', () => {
  test('drops a socket at once when it goes, and comes back at once with it', async () => {
    const document = openSession(server).document('network/one')
    await document.whenSynced
    // The longest first wait: three seconds.
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const before = performance.now()
    window.dispatchEvent(new Event('offline'))
    await whenState(document.state, ({ status }) => status.kind === 'offline')
    expect(document.status).toEqual({ kind: 'offline', reason: 'the network is away' })
    window.dispatchEvent(new Event('online'))
    await whenState(document.state, ({ status }) => status.kind === 'online')
    expect(performance.now() - before).toBeLessThan(2_900)
  })

  test('warns of leaving only while something is in no safe place', async () => {
    const document = openSession(server).document('network/two')
    const warns = () => {
      const event = new Event('beforeunload', { cancelable: true })
      window.dispatchEvent(event)
      return event.defaultPrevented
    }
    await document.whenSynced
    expect(warns()).toBe(false)
    write(document, 'x')
    expect(warns()).toBe(true)
    await document.whenSaved()
    expect(warns()).toBe(false)
  })
})

test('without documents there is no connection, until the next one is opened', async () => {
  proxy = await startBlockingProxy(server.port)
  proxy.blocksSockets = false
  const session = openSession(proxy)
  const document = session.document('idle/one')
  await document.whenSynced
  document.destroy()
  const again = session.document('idle/one')
  await again.whenSynced
  expect(proxy.upgrades).toBe(1)
  again.destroy()
  await whenState(session.status, ({ kind }) => kind === 'connecting')
  await session.document('idle/one').whenSynced
  expect(proxy.upgrades).toBe(2)
})

describe('a socket that the server closes for good', () => {
  test('is tried once more with the same token, and not in a loop', async () => {
    proxy = await startBlockingProxy(server.port)
    proxy.blocksSockets = false
    const session = openSession(proxy)
    const document = session.document('closed/one')
    await document.whenSynced
    document.setPresence({ photo: 'x'.repeat(20_000) })
    const { status } = await whenState(document.state, (state) => state.status.kind === 'refused')
    expect(status).toMatchObject({ refusal: { reason: 'too-big' } })
    expect(proxy.upgrades).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(proxy.upgrades).toBe(2)

    document.setPresence({ photo: undefined })
    document.retry()
    await whenState(document.state, (state) => state.status.kind === 'online')
    expect(proxy.upgrades).toBe(3)
  })
})
