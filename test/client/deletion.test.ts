import 'fake-indexeddb/auto'
import { IDBFactory } from 'fake-indexeddb'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { closeSessions, openSession, textOf, whenState, write } from '../support/client-session.ts'
import { openClient } from '../support/clients.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())
beforeEach(() => {
  vi.stubGlobal('indexedDB', new IDBFactory())
})
afterEach(() => {
  closeSessions()
  vi.unstubAllGlobals()
})

async function call(method: string, path: string): Promise<void> {
  const authorization = `Bearer ${tokenFor('mia', { admin: true })}`
  const response = await fetch(`${server.url}/api/documents/${path}`, { method, headers: { authorization } })
  expect(response.status).toBe(200)
}

/** Writes `text` into a document that this device has seen, with the network away. */
async function writeOffline(name: string, text: string): Promise<void> {
  const token = async () => {
    throw new Error('no network')
  }
  const session = openSession(server, { user: 'ann', token })
  const document = session.document(name)
  await document.whenReady
  write(document, text)
  await whenState(document.state, ({ unkept }) => unkept === 0)
  session.close()
}

async function visit(name: string, text: string): Promise<void> {
  const session = openSession(server)
  const document = session.document(name)
  await document.whenSynced
  write(document, text)
  await document.whenSaved()
  await whenState(document.state, ({ kept }) => kept)
  session.close()
}

test('an offline client that comes back hears of the deletion, keeps its edits, and brings them once it is undone', async () => {
  await visit('plan', 'hello')
  await writeOffline('plan', ' from the train')
  await call('DELETE', 'plan')

  const home = openSession(server, { user: 'ann' })
  const document = home.document('plan')
  const { status } = await whenState(document.state, (state) => state.status.kind === 'refused')
  expect(status).toMatchObject({ kind: 'refused', refusal: { reason: 'deleted' } })
  await expect(document.whenSaved()).rejects.toMatchObject({ refusal: { reason: 'deleted' } })
  expect(textOf(document)).toBe('hello from the train')
  expect(document.unsaved).toBe(1)
  home.close()

  await call('POST', 'plan/undelete')
  const again = openSession(server, { user: 'ann' }).document('plan')
  await again.whenSaved()
  const other = openClient(server, 'plan', { user: 'bob' })
  await other.synced()
  expect(other.text.toString()).toBe('hello from the train')
  other.destroy()
})

test('a client that comes long after a document was erased does not bring it back', async () => {
  await visit('old', 'hello')
  await call('DELETE', 'old?erase=true')
  await writeOffline('old', '!')
  for (let comings = 0; comings < 2; comings += 1) {
    const session = openSession(server, { user: 'ann' })
    const document = session.document('old')
    const { status } = await whenState(document.state, (state) => state.status.kind === 'refused')
    expect(status).toMatchObject({ refusal: { reason: 'deleted' } })
    expect(textOf(document)).toBe('hello!')
    session.close()
  }
  const bytes = await fetch(`${server.url}/api/documents/old/sync`, {
    headers: { authorization: `Bearer ${tokenFor('bob')}` },
  })
  expect(bytes.status).toBe(410)
})
