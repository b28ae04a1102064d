import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { LeveldbPersistence } from 'y-leveldb'
import * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import { openLog } from '../../persistence/open-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { toYjsJson } from '../../server/formats/yjs-json.ts'
import { type ImportArguments, runImport } from '../../server/import/command.ts'
import type { DocumentReport } from '../../server/import/import.ts'
import { importDocument } from '../../server/import/import-document.ts'
import { isSame, printOf } from '../../server/import/same-document.ts'
import { makeFolder } from '../persistence/folder.ts'
import { openClient, openYWebsocket, until, whenDocument } from '../support/clients.ts'
import { digestOf, startHocuspocus, startYWebsocketServer } from '../support/import-sources.ts'
import { createRandom, seedsFor } from '../support/random.ts'
import { makeDocument } from '../support/random-document.ts'
import { replayFromLog } from '../support/replay.ts'
import { runWith } from '../support/run-command.ts'
import { startServer } from '../support/server.ts'

/** Runs an import in this process. Resolves with what it reported, and the code that it failed with. */
async function importFrom(from: string, to: string, options: Partial<ImportArguments> = {}) {
  const lines: string[] = []
  const args = { prefix: '', author: '', numbered: 'updates', merge: false, 'dry-run': false, verbose: false }
  const failed = await runImport(
    { ...args, from, to, json: true, ...options },
    { ENCRYPTION_KEY: undefined, MAX_DOCUMENT_BYTES: 100_000 },
    { print: (line) => lines.push(line), onProblem: () => {} },
  ).then(
    () => undefined,
    (error: unknown) => (error instanceof CoweaveError ? error.code : Promise.reject(error)),
  )
  return { ...parse(lines.join('')), failed }
}

function parse(output: string) {
  const lines = output.trim().split('\n')
  const { counts, dryRun } = JSON.parse(lines.pop() || '{}')
  const reports: DocumentReport[] = lines.map((line) => JSON.parse(line))
  return { reports: new Map(reports.map((report) => [report.source, report])), counts, dryRun }
}

async function openTarget(url: string): Promise<UpdateLog> {
  const log = await openLog({ url, create: true, onProblem: () => {} })
  onTestFinished(() => log.close())
  return log
}

function same(one: Y.Doc, other: Y.Doc): boolean {
  return isSame(printOf(one), printOf(other)) && isDeepStrictEqual(toYjsJson(one), toYjsJson(other))
}

function typed(text: string, ydoc = new Y.Doc()): Y.Doc {
  ydoc.getText('text').insert(0, text)
  return ydoc
}

test.each(seedsFor([7], 2))('what Hocuspocus kept in SQLite is imported (rerun with SEED=%i)', async (seed) => {
  const [folder, target] = [await makeFolder(), await makeFolder()]
  const file = join(folder, 'hocuspocus.sqlite')
  const old = await startHocuspocus(file)
  const clients = ['plan', 'notes/ünïcödé 😀', 'a//b', 'chat/plan'].map((name, index) => {
    const client = openClient(old, name)
    const { rows } = makeDocument(createRandom(seed + index), 40)
    for (const { data } of rows) Y.applyUpdate(client.ydoc, data)
    client.text.insert(0, '😀')
    return [name, client] as const
  })
  for (const [, client] of clients) await client.saved()
  await old.stop()
  for (const [, client] of clients) client.destroy()
  const db = new Database(file)
  const state = db.prepare<[], Buffer>("SELECT data FROM documents WHERE name = 'plan'").pluck().get()
  // It stands in the write-ahead log alone, as after a crash.
  db.pragma('journal_mode = WAL')
  db.prepare('INSERT INTO documents VALUES (?, ?)').run('torn', state?.subarray(0, -9))
  onTestFinished(() => void db.close())
  const [before, names] = [digestOf(folder), join(target, 'names.json')]
  writeFileSync(names, JSON.stringify({ 'chat/plan': 'old chats/plan' }))

  // As a user does it.
  const args = ['import', '--from', `hocuspocus-sqlite:${file}`, '--to', `sqlite:${target}/coweave.db`]
  const run = await runWith({ NODE_ENV: 'test' }, ...args, '--json', '--names', names)
  expect(run.errors).toMatch('import/incomplete: 2 not imported')
  expect(run.exitCode).toBe(1)
  const { reports, counts } = parse(run.output)
  expect(counts).toEqual({ imported: 3, merged: 0, unchanged: 0, empty: 0, 'not-imported': 2 })
  expect(reports.get('a//b')).toMatchObject({ code: 'bad-name' })
  expect(reports.get('torn')).toMatchObject({ code: 'damaged' })
  const replayed = await replayFromLog(target, ['plan', 'notes/ünïcödé 😀', 'old chats/plan'])
  for (const [name, { ydoc }] of clients) {
    const copy = Object.entries(replayed).find(([here]) => here === reports.get(name)?.name)?.[1]
    expect(copy !== undefined && same(copy, ydoc), name).toBe(name !== 'a//b')
  }

  const log = await openTarget(`sqlite:${target}/coweave.db`)
  const documents = await log.documents({ limit: 9 })
  const again = await importFrom(`hocuspocus-sqlite:${file}`, `sqlite:${target}/coweave.db`, { names })
  expect(again.counts).toEqual({ imported: 0, merged: 0, unchanged: 3, empty: 0, 'not-imported': 2 })
  expect(await log.documents({ limit: 9 })).toEqual(documents)
  expect(digestOf(folder)).toBe(before)
})

test('what y-websocket kept in LevelDB is imported, and people go on with what they had open', async () => {
  const [folder, target] = [join(await makeFolder(), 'db'), await makeFolder()]
  const to = `sqlite:${target}/coweave.db`
  const old = await startYWebsocketServer(folder)
  const [ann, witness] = [old.open('notes/plan'), old.open('notes/plan')]
  const text = (ydoc: Y.Doc) => ydoc.getText('text').toString()
  // Over 500 updates y-leveldb puts together when it reads them.
  for (const letter of 'many letters '.repeat(50)) typed(letter, ann.doc)
  const written = text(ann.doc)
  await whenDocument(witness.doc, () => text(witness.doc) === written)
  await old.stop()
  for (const provider of [ann, witness]) provider.destroy()
  const levelDb = new LeveldbPersistence(folder)
  for (const update of [Uint8Array.of(0, 0), Uint8Array.of(1, 2, 3)]) await levelDb.storeUpdate('torn', update)
  await levelDb.destroy()
  mkdirSync(join(folder, 'lost')) // as a repair of LevelDB leaves one
  const before = digestOf(folder)

  const first = await importFrom(`y-leveldb:${folder}`, to, { author: 'importer' })
  expect(first.failed).toBe('import/incomplete')
  expect(first.counts).toMatchObject({ imported: 2, 'not-imported': 1 })
  expect(first.reports.get('torn')).toMatchObject({ code: 'damaged' })
  const log = await openTarget(to)
  expect((await log.load('notes/plan')).clients.size).toBe(0)
  expect(await Array.fromAsync(log.read('notes/plan', 0))).toMatchObject([{ author: 'importer' }])
  expect(digestOf(folder)).toBe(before)

  // Ann wrote while there was no server, in the page that she still has open.
  typed('offline ', ann.doc)
  const server = await startServer({ folder: target })
  const back = openClient(server, 'notes/plan', { user: 'ann', ydoc: ann.doc })
  const bob = openYWebsocket(server, 'notes/plan')
  await whenDocument(bob.doc, () => text(bob.doc) === `offline ${written}`)
  bob.doc.getText('text').insert(0, 'bob ')
  await until(
    () => text(ann.doc) === `bob offline ${written}`,
    (check) => ann.doc.on('update', check),
  )
  await back.saved()
  // What is imported while the server runs gets to those who have the document open.
  const late = join(await makeFolder(), 'late')
  mkdirSync(join(late, 'notes'), { recursive: true })
  const other = new Y.Doc()
  Y.applyUpdate(other, Y.encodeStateAsUpdate(witness.doc))
  writeFileSync(join(late, 'notes/plan.bin'), Y.encodeStateAsUpdate(typed('late ', other)))
  expect((await importFrom(`updates:${late}`, to)).counts).toMatchObject({ merged: 1 })
  await whenDocument(ann.doc, () => text(ann.doc).includes('late '))
  for (const client of [back, bob]) client.destroy()
  expect(await server.stop()).toBe(0)

  expect((await log.load('notes/plan')).clients.get(ann.doc.clientID)).toBe('ann')
  const again = await importFrom(`y-leveldb:${folder}`, to)
  expect(again.counts).toMatchObject({ unchanged: 2, 'not-imported': 1 })
  const replayed = await replayFromLog(target, ['notes/plan'])
  expect(same(replayed['notes/plan'], ann.doc)).toBe(true)
})

test('a folder of updates is imported, and what is not is named with its reason', async () => {
  const folder = await makeFolder()
  const to = `sqlite:${await makeFolder()}/coweave.db`
  const put = (path: string, data: Uint8Array | string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), data)
  }
  const ydoc = new Y.Doc()
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  for (const letter of 'abcdefghijkl') typed(letter, ydoc)
  ydoc.getText('text').delete(0, 3)
  updates.forEach((update, index) => {
    put(`journal/day/${index}.bin`, index % 2 === 0 ? update : Y.convertUpdateFormatV1ToV2(update))
  })
  put('whole.yjs', Y.encodeStateAsUpdateV2(ydoc))
  put('gap.bin', Y.mergeUpdates(updates.toSpliced(3, 1)))
  put('empty.bin', Uint8Array.of(0, 0))
  put('big.bin', Y.encodeStateAsUpdate(typed('x'.repeat(200_000))))
  put('torn.bin', Y.encodeStateAsUpdate(ydoc).subarray(0, 20))
  put('gone.bin', Y.encodeStateAsUpdate(ydoc))
  put('other.bin', Y.encodeStateAsUpdate(typed('one')))
  put('lobby/all.bin', Y.encodeStateAsUpdate(ydoc))
  put('new whole.bin', Y.encodeStateAsUpdate(typed('another')))
  put('notes.txt', 'no update')
  put('.hidden/1.bin', 'no update')
  const names = join(await makeFolder(), 'names.json')
  writeFileSync(names, JSON.stringify({ whole: 'in/new whole' }))
  const options = { prefix: 'in/', names }

  const dry = await importFrom(`updates:${folder}`, to, { ...options, 'dry-run': true })
  expect(dry).toMatchObject({ dryRun: true, counts: { imported: 6, empty: 1 } })
  const log = await openTarget(to)
  expect(await log.documents({ limit: 9 })).toEqual([]) // made by this test, just now
  const theirs = Y.encodeStateAsUpdate(typed('two'))
  await log.append([{ document: 'in/other', at: 1, author: 'bob', data: theirs, clients: [] }])
  await log.delete('in/gone', { at: 1, by: 'bob' })

  const { reports, counts, failed } = await importFrom(`updates:${folder}`, to, options)
  const codes = [...reports].map(([source, report]) => [source, 'code' in report ? report.code : report.outcome])
  expect(Object.fromEntries(codes)).toEqual({
    'journal/day': 'imported',
    'lobby/all': 'imported', // no room with the prefix
    whole: 'imported',
    gap: 'imported',
    empty: 'empty',
    big: 'too-big',
    torn: 'damaged',
    gone: 'deleted',
    other: 'unrelated',
    'new whole': 'name-taken',
    'notes.txt': 'no-document',
  })
  expect(failed).toBe('import/incomplete')
  expect(counts).toEqual({ imported: 4, merged: 0, unchanged: 0, empty: 1, 'not-imported': 6 })
  expect(reports.get('gap')).toMatchObject({ hasGap: true })
  for (const name of ['in/journal/day', 'in/new whole']) {
    const copy = new Y.Doc()
    for (const part of (await log.load(name)).parts) Y.applyUpdate(copy, part)
    expect(same(copy, ydoc), name).toBe(true)
  }
  const again = await importFrom(`updates:${folder}`, to, { ...options, merge: true })
  expect(again.counts).toEqual({ imported: 0, merged: 1, unchanged: 4, empty: 1, 'not-imported': 5 })
  expect(again.reports.get('other')).toMatchObject({ outcome: 'merged' })
  const documents = await importFrom(`updates:${folder}`, to, { 'dry-run': true, numbered: 'documents' })
  expect(documents.reports.get('journal/day/0')).toMatchObject({ name: 'journal/day/0' })
})

test('a copy that is not the same is told of', async () => {
  const log = await openTarget(`sqlite:${await makeFolder()}/coweave.db`)
  const lossy = new Proxy(log, {
    get(_, key) {
      if (key === 'append') return () => log.append([{ document: 'a', at: 1, author: '', data: other, clients: [] }])
      const value: unknown = Reflect.get(log, key)
      return typeof value === 'function' ? value.bind(log) : value
    },
  })
  const ydoc = new Y.Doc()
  ydoc.clientID = 1
  typed('right', ydoc)
  const twin = new Y.Doc()
  twin.clientID = 1
  const other = Y.encodeStateAsUpdate(typed('wrong', twin))
  const options = { log: lossy, author: '', maxBytes: 1_000, merge: false, dryRun: false }
  expect(await importDocument('a', [Y.encodeStateAsUpdate(ydoc)], options)).toMatchObject({ code: 'differs' })
})

test('what is no source is refused', async () => {
  const folder = await makeFolder()
  appendFileSync(join(folder, 'file'), 'no database, but long enough to be none')
  const to = `sqlite:${await makeFolder()}/coweave.db`
  const databases = [`y-leveldb:${folder}`, `hocuspocus-sqlite:${folder}/file`, `hocuspocus-sqlite:${folder}`]
  for (const from of [...databases, `updates:${folder}/none`]) {
    expect(await importFrom(from, to), from).toMatchObject({ failed: 'import/no-source' })
  }
  expect(await importFrom('mongodb:x', to)).toMatchObject({ failed: 'command/bad-argument' })
})
