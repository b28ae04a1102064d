import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { closeSessions, openSession, textOf, whenText, write } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

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
  name = `session/${documents}`
})

afterEach(closeSessions)

describe('a session', () => {
  test('opens a document, and tells when it is synced and saved', async () => {
    const document = openSession(server).document(name)
    expect(document.status).toEqual({ kind: 'connecting' })
    expect(document.state.get().ready).toBe(false)
    await document.whenSynced
    expect(document.state.get()).toMatchObject({ ready: true, synced: true, readOnly: false, kept: false, unsaved: 0 })
    write(document, 'hello')
    expect(document.unsaved).toBe(1)
    await document.whenSaved()
    expect(document.unsaved).toBe(0)
    expect(document.status).toEqual({ kind: 'online', via: 'socket' })

    const other = openSession(server, { as: 'bob' }).document(name)
    await other.whenReady
    expect(textOf(other)).toBe('hello')
    write(other, ' world')
    await whenText(document, 'hello world')
  })

  test('two handles share a document, which closes with the last', async () => {
    const session = openSession(server)
    const one = session.document(name)
    const two = session.document(name)
    expect(two.ydoc).toBe(one.ydoc)
    await one.whenSynced
    one.destroy()
    one.destroy()
    write(two, 'still open')
    await two.whenSaved()
    two.destroy()
    expect(one.ydoc.isDestroyed).toBe(true)
    const three = session.document(name)
    expect(three.ydoc).not.toBe(one.ydoc)
    await three.whenSynced
    expect(textOf(three)).toBe('still open')
  })

  test('a document closed with edits on their way stays until the server has them', async () => {
    const session = openSession(server)
    const document = session.document(name)
    await document.whenSynced
    write(document, 'last words')
    document.destroy()
    expect(document.ydoc.isDestroyed).toBe(false)
    const again = session.document(name)
    expect(again.ydoc).toBe(document.ydoc)
    const closed = new Promise((resolve) => document.ydoc.on('destroy', resolve))
    again.destroy()
    await closed
    const other = openSession(server, { as: 'bob' }).document(name)
    await other.whenSynced
    expect(textOf(other)).toBe('last words')
  })
})
