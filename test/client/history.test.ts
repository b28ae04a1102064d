import { afterAll, beforeAll, expect, test } from 'vitest'
import { documentHistory } from '../../client/index.ts'
import { closeSessions, openSession, textOf, whenText, write } from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  closeSessions()
  expect(await server.stop()).toBe(0)
})

test('a session reads the history of a document and brings it back', async () => {
  const session = openSession(server)
  const document = session.document('client/history ä')
  const history = documentHistory(session, document.name)
  write(document, 'good ')
  await document.whenSaved()
  const good = await history.nameVersion('Good')
  expect(good).toMatchObject({ name: 'Good', position: 1, author: 'ann' })
  expect(await history.markSeen()).toBe(1)
  write(document, 'bad')
  await document.whenSaved()
  expect(textOf({ ydoc: await history.at(1) })).toBe('good ')
  expect(textOf({ ydoc: await history.at() })).toBe('good bad')
  expect(await history.positionAt(new Date(0))).toBe(0)
  expect(await history.seen()).toBe(1)
  const { roots } = await history.difference('seen')
  const change = expect.objectContaining({ kind: 'inserted', user: 'ann', position: 2 })
  const runs = [
    { text: 'good ', marks: {} },
    { text: 'bad', marks: {}, change },
  ]
  expect(roots).toEqual([{ name: 'text', content: { type: 'text', runs } }])
  expect((await history.blame(1)).to).toBe(1)
  const { sessions } = await history.sessions({ limit: 1, pauseMs: 60_000 })
  expect(sessions).toMatchObject([{ user: 'ann', firstPosition: 1, lastPosition: 2 }])
  expect(await history.restore(good.position)).toEqual({ before: 2, changed: true })
  await whenText(document, 'good ')
  expect(await history.undo('ann', new Date(0))).toMatchObject({ changed: true })
  await whenText(document, '')
  expect(await history.undo('bob', 0)).toMatchObject({ changed: false })
  await history.renameVersion(good.id, 'Better')
  expect(await history.versions()).toEqual([{ ...good, name: 'Better' }])
  await history.deleteVersion(good.id)
  expect(await history.versions()).toEqual([])
})

test('what the server refuses is told by its code', async () => {
  const session = openSession(server, { as: 'rita', tokenOptions: { access: { '**': 'read' } } })
  const history = documentHistory(session, 'client/other')
  await expect(history.at(7)).rejects.toMatchObject({ code: 'history/no-such-position' })
  await expect(history.restore(0)).rejects.toMatchObject({ code: 'access/no-grant' })
  await expect(documentHistory(session, 'lobby/all').versions()).rejects.toMatchObject({ code: 'document/is-room' })
  expect(() => documentHistory(session, '..')).toThrow(expect.objectContaining({ code: 'document/bad-name' }))
})
