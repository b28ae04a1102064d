import { afterEach, expect, test } from 'vitest'
import { closeSessions, openSession, textOf, whenState, whenText, write } from '../support/client-session.ts'
import { openFrameSocket } from '../support/messages.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer | undefined

afterEach(async () => {
  closeSessions()
  expect(await server?.stop()).toBe(0)
  server = undefined
})

test('too many connections of a user end in a refusal, and a retry works once there is room', async () => {
  server = await startServer({ environment: { MAX_CONNECTIONS_PER_USER: '1' } })
  const first = await openFrameSocket(server, 'limits/other', { user: 'ann' })
  const session = openSession(server)
  const document = session.document('limits/document')
  write(document, 'kept')
  const refused = await whenState(session.status, ({ kind }) => kind === 'refused')
  expect(refused).toMatchObject({ refusal: { reason: 'too-many' } })
  expect(document.status).toMatchObject({ kind: 'refused', refusal: { reason: 'too-many' } })
  first.destroy()
  await first.ended
  document.retry()
  await whenState(document.state, ({ status }) => status.kind === 'online')
  await document.whenSaved()
})

test('a document at its limit ends in a refusal, and keeps what could not be saved', async () => {
  server = await startServer({ environment: { MAX_DOCUMENT_BYTES: '4096' } })
  const session = openSession(server)
  const document = session.document('limits/document')
  await document.whenSynced
  write(document, 'x'.repeat(8_000))
  const { status } = await whenState(document.state, ({ status }) => status.kind === 'refused')
  expect(status).toMatchObject({ refusal: { reason: 'too-big' } })
  expect(textOf(document)).toHaveLength(8_000)
})

test('a server that takes no new connections is tried again until it does', async () => {
  const busy = await startServer({ environment: { MAX_MEMORY_BYTES: '1' } })
  server = busy
  while ((await fetch(`${busy.url}/api/sync`, { method: 'GET' })).status !== 503)
    await new Promise((resolve) => setTimeout(resolve, 100))
  const session = openSession(busy)
  const document = session.document('limits/document')
  write(document, 'kept')
  await whenState(session.status, ({ kind }) => kind === 'offline')
  expect(await busy.stop()).toBe(0)
  server = await startServer({ folder: busy.folder, environment: { PORT: String(busy.port) } })
  await whenState(session.status, ({ kind }) => kind === 'online')
  await document.whenSaved()
  const reader = openSession(server, { as: 'bob' }).document('limits/document')
  await whenText(reader, 'kept')
})
