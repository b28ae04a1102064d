import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { Typist, typedRows } from '../persistence/updates.ts'
import { openClient, whenDocument } from '../support/clients.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'

const folder = temporaryFolder()
let server: TestServer

beforeAll(async () => {
  server = await startServer({ folder, environment: { HISTORY_DAYS: '0.00001', HISTORY_PACK_DAYS: '0.00001' } })
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

const ask = (name: string, path: string, options: RestOptions = {}) =>
  rest(server, documentPath(name, path), { ...options, method: options.body === undefined ? 'GET' : 'POST' })

/** Waits until nothing is left of the history up to a position. */
async function whenForgotten(name: string, position: number): Promise<void> {
  const begins = async () => (await ask(name, '/history')).body.begins
  await expect.poll(begins, { timeout: 20_000 }).toEqual({ position, at: expect.any(Number) })
}

test('old history ends in the background, and whoever asks for it is told where it begins', async () => {
  const name = 'notes/old'
  const ann = openClient(server, name, { user: 'ann' })
  onTestFinished(() => ann.destroy())
  await ann.synced()
  for (const word of ['one ', 'two ', 'three ']) {
    ann.text.insert(ann.text.length, word)
    await ann.saved()
  }
  await whenForgotten(name, 3)
  expect((await ask(name, '/history')).body).toEqual({ sessions: [], begins: { position: 3, at: expect.any(Number) } })

  const gone = { status: 410, body: { code: 'history/forgotten', detail: expect.stringContaining('position 3') } }
  for (const path of ['/state?position=2', '/diff?from=0', '/blame?position=1', '/position?at=1']) {
    expect(await ask(name, path), path).toMatchObject(gone)
  }
  for (const [path, body] of [
    ['/restore', { position: 2 }],
    ['/undo', { user: 'ann', since: 1 }],
    ['/versions', { name: 'x', position: 1 }],
    ['/copy', { to: 'notes/copy', position: 1 }],
  ] as const) {
    expect(await ask(name, path, { body }), path).toMatchObject(gone)
  }
  const patch = (headers: Record<string, string>, body: object) =>
    rest(server, documentPath(name), { method: 'PATCH', headers, body: { field: 'text', format: 'text', ...body } })
  expect(await patch({}, { base: 1, content: 'x' })).toMatchObject(gone)
  expect(await patch({ 'if-match': '"1"' }, { content: 'x' })).toMatchObject({ status: 412 })
  expect((await ask(name, `/position?at=${Date.now()}`)).body).toEqual({ position: 3 })
  expect((await ask(name, '/seen', { body: { position: 1 } })).body).toEqual({ position: 1 })
  expect((await ask(name, '/diff?from=seen')).body).toMatchObject({ from: 3, to: 3 })

  // A version that was named stays, and all that came after it.
  expect((await ask(name, '/versions', { body: { name: 'kept' } })).status).toBe(201)
  ann.text.delete(0, 4)
  ann.text.insert(0, 'four ')
  await ann.saved()
  expect(await textAt(name, 3)).toBe('one two three ')
  const { body: blame } = await ask(name, '/blame')
  expect(blame).toMatchObject({
    roots: [{ content: { runs: [{ text: 'four ', change: { user: 'ann' } }, { text: 'two three ' }] } }],
  })
  expect(JSON.stringify(blame).match(/"change"/g)).toHaveLength(1)
  expect((await ask(name, '/restore', { body: { position: 3 } })).body).toMatchObject({ changed: true })
  await whenDocument(ann.ydoc, () => ann.text.toString() === 'one two three ')
})

test('an open document that lacks what is forgotten by now is loaded anew', async () => {
  const name = 'notes/followed'
  const ann = openClient(server, name, { user: 'ann' })
  onTestFinished(() => ann.destroy())
  await ann.synced()
  ann.text.insert(0, 'ann ')
  await ann.saved()
  // As another instance does it, before this one has asked what is new.
  const log = await openSqliteLog({ file: join(folder, 'coweave.db') })
  onTestFinished(() => log.close())
  await log.retention.forget(name, 0) // so that what does it is there
  const [position = 0] = await log.append([new Typist(name, 7).type('bob ')])
  expect(await log.retention.forget(name, position)).toBe(position)
  await whenDocument(ann.ydoc, () => ann.text.toString().includes('bob '))
  ann.text.insert(0, 'still ')
  await ann.saved()
})

test('old updates are packed in the background', async () => {
  const log = await openSqliteLog({ file: join(folder, 'coweave.db') })
  onTestFinished(() => log.close())
  // By its first row it has no old history, which would be forgotten.
  const [first, ...others] = typedRows('notes/long', 200)
  await log.append([{ ...(first ?? expect.unreachable()), at: Date.now() + 3_600_000 }, ...others])
  const rows = await Array.fromAsync(log.read('notes/long', 0))
  const db = new Database(join(folder, 'coweave.db'), { readonly: true })
  onTestFinished(() => void db.close())
  const count = db.prepare('SELECT count(*) FROM packs').pluck()
  await expect.poll(() => count.get(), { timeout: 20_000 }).toBeGreaterThan(0)
  expect(await Array.fromAsync(log.read('notes/long', 0))).toEqual(rows)
})

async function textAt(name: string, position: number): Promise<string> {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` }
  const response = await fetch(`${server.url}${documentPath(name, `/state?position=${position}`)}`, { headers })
  expect(response.status).toBe(200)
  const doc = new Y.Doc()
  Y.applyUpdate(doc, new Uint8Array(await response.arrayBuffer()))
  return doc.getText('text').toString()
}
