import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { SCHEMA_VERSION } from '../../persistence/sqlite/schema.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { nextLine, startChild } from './child.ts'
import { makeFolder } from './folder.ts'
import { expectNoTexts } from './text-index-contract.ts'
import { archived, readAll, textOf, update } from './updates.ts'

/** A Yjs update that changes nothing. */
const NO_CHANGE = Uint8Array.of(0, 0)
const K1 = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

async function newFile(): Promise<string> {
  return join(await makeFolder(), 'log.db')
}

async function open(file: string, encryption = undefined as typeof K1 | undefined) {
  const log = await openSqliteLog({ file, encryption })
  onTestFinished(() => log.close())
  return log
}

function run(file: string, sql: string): unknown[] {
  const db = new Database(file)
  try {
    const statement = db.prepare(sql)
    return statement.reader ? statement.raw().all() : [statement.run().changes]
  } finally {
    db.close()
  }
}

/** FTS5 compares its index with the table, word by word; it throws where they differ. */
function expectIndexInStep(file: string): void {
  expect(run(file, `INSERT INTO messages_text (messages_text, rank) VALUES ('integrity-check', 1)`)).toHaveLength(1)
}

async function withMessages(file: string, encryption?: typeof K1): Promise<void> {
  const log = await openSqliteLog({ file, encryption })
  const texts = ['the secret launch', 'on Monday', 'at nine']
  await log.append(
    texts.map((text, index) => update('x', '', { data: NO_CHANGE, messages: [archived('chat/a', index + 1, text)] })),
  )
  await log.close()
}

test('the index of words is in step with the messages after inserts, edits, deletions and refused ones', async () => {
  const file = await newFile()
  await withMessages(file)
  const log = await openSqliteLog({ file })
  await log.append([
    update('x', '', {
      data: NO_CHANGE,
      messages: [archived('chat/a', 1, 'edited'), archived('chat/a', 2, '', { deletedAt: 1 })],
    }),
    update('x', '', { data: NO_CHANGE, messages: [{ ...archived('chat/a', 9, 'double'), id: 'id-3' }] }),
    update('x', '', { data: NO_CHANGE, messages: [archived('chat/a', 4, 'written in haste')] }),
    update('x', '', { data: NO_CHANGE, messages: [archived('chat/a', 4, 'edited at once, and longer than before')] }),
    update('x', '', { data: NO_CHANGE, messages: [archived('chat/a', 5, 'written after that')] }),
  ])
  await log.close()
  expectIndexInStep(file)
  run(file, 'VACUUM')
  expectIndexInStep(file)
  const again = await open(file)
  const found = async (words: string) => (await again.messages.search(words, { limit: 9 })).messages.length
  expect([await found('edited'), await found('haste'), await found('written')]).toEqual([2, 0, 1])
})

test('a damaged message is an error that names room and seq; check finds it, and the others are read', async () => {
  const file = await newFile()
  await withMessages(file)
  run(file, `UPDATE messages SET data = x'7b7d' WHERE seq = 2`)
  const log = await open(file)
  const damaged = { code: 'storage/corrupt', message: expect.stringMatching(/chat\/a: .*seq 2/) }
  await expect(log.messages.list('chat/a', { limit: 9 })).rejects.toMatchObject(damaged)
  await expect(log.messages.find('chat/a', 'id-2')).rejects.toMatchObject(damaged)
  await expect(log.messages.search('monday', { limit: 9 })).rejects.toMatchObject(damaged)
  expect(await log.messages.list('chat/a', { before: 2, limit: 9 })).toHaveLength(1)
  expect(await Array.fromAsync(log.check())).toEqual([
    expect.objectContaining({ document: 'chat/a', problem: expect.stringContaining('seq 2') }),
  ])
})

test.each([
  `UPDATE messages SET text = 'other' WHERE seq = 2`,
  `UPDATE messages SET author = 'eve' WHERE seq = 2`,
  `UPDATE messages SET deleted_at = 1 WHERE seq = 2`,
])('check finds a column that is not what the message holds: %s', async (sql) => {
  const file = await newFile()
  await withMessages(file)
  run(file, sql)
  const damage = await Array.fromAsync((await open(file)).check())
  expect(damage).toEqual([expect.objectContaining({ problem: expect.stringContaining('seq 2') })])
})

test('with a key no text stands readable in the files, and search is refused', async () => {
  const file = await newFile()
  const bytesOf = (path: string) =>
    existsSync(path) ? execFileSync('cat', [path], { maxBuffer: 2 ** 28 }) : Buffer.alloc(0)
  for (const encryption of [undefined, K1]) {
    const name = `${file}.${encryption === undefined ? 'plain' : 'encrypted'}`
    const log = await openSqliteLog({ file: name, encryption })
    const messages = [archived('chat/a', 1, 'the secret launch')]
    await log.append([update('x', '', { data: NO_CHANGE, messages })])
    await log.append([update('x', '', { data: NO_CHANGE, messages: [archived('chat/a', 1, 'the secret edit')] })])
    const visible = encryption === undefined // so that the test is known to look at the right place
    expect(bytesOf(`${name}-wal`).includes('secret')).toBe(visible)
    await log.close()
    expect(bytesOf(name).includes('secret')).toBe(visible)
    if (encryption === undefined) continue
    const again = await open(name, encryption)
    expect(await again.messages.list('chat/a', { limit: 9 })).toEqual([archived('chat/a', 1, 'the secret edit')])
    expect(await again.messages.find('chat/a', 'id-1')).toEqual(archived('chat/a', 1, 'the secret edit'))
    expect(await again.messages.known('chat/a', ['id-0', 'id-1'])).toEqual(new Set(['id-1']))
    await expect(again.messages.search('secret', { limit: 9 })).rejects.toMatchObject({ code: 'search/encrypted' })
    await expectNoTexts(again.texts)
    expect(await Array.fromAsync(again.check())).toEqual([])
    expectIndexInStep(name)
  }
})

test('a message that was plain before there was a key leaves the index when it changes', async () => {
  const file = await newFile()
  await withMessages(file)
  const log = await openSqliteLog({ file, encryption: K1 })
  await log.append([update('x', '', { data: NO_CHANGE, messages: [archived('chat/a', 1, 'sealed')] })])
  expect((await log.messages.list('chat/a', { limit: 9 })).map(({ json }) => JSON.parse(json).text)).toEqual([
    'sealed',
    'on Monday',
    'at nine',
  ])
  await log.close()
  expect(run(file, 'SELECT seq, text FROM messages ORDER BY seq')).toEqual([
    [1, null],
    [2, 'on Monday'],
    [3, 'at nine'],
  ])
  expectIndexInStep(file)
})

test('an encrypted message that was moved to another seq or room is refused', async () => {
  const file = await newFile()
  await withMessages(file, K1)
  run(file, `DELETE FROM messages WHERE seq = 3`)
  run(file, `UPDATE messages SET seq = 3 WHERE seq = 2`)
  await expect((await open(file, K1)).messages.list('chat/a', { limit: 9 })).rejects.toMatchObject({
    code: 'storage/corrupt',
  })
})

test('a database of version 1 is brought up to date, with what it holds', async () => {
  const file = await newFile()
  const fixture = fileURLToPath(new URL('fixtures/version-1.db', import.meta.url))
  await copyFile(fixture, file)
  expect(run(file, 'PRAGMA user_version')).toEqual([[1]])
  const log = await open(file)
  expect((await readAll(log, 'notes')).map(({ data }) => textOf(data))).toEqual(['one', 'two'])
  await log.append([update('x', '', { data: NO_CHANGE, messages: [archived('chat/a', 1, 'hello')] })])
  expect(await log.messages.list('chat/a', { limit: 9 })).toEqual([archived('chat/a', 1, 'hello')])
  expect((await log.messages.search('hello', { limit: 9 })).messages).toHaveLength(1)
  await log.close()
  expect(run(file, 'PRAGMA user_version')).toEqual([[SCHEMA_VERSION]])
})

test('[promise 1] killed while it writes, the archive has just the messages of the updates in the log', async () => {
  const file = await newFile()
  for (const round of ['a', 'b', 'c']) {
    const child = startChild('append-messages', file, round)
    for (let lines = 0; lines < 20; lines += 1) await nextLine(child)
    await child.kill()
    const log = await openSqliteLog({ file })
    const updates = (await readAll(log, 'chat/a@1')).map(({ data }) => textOf(data))
    const archive = await log.messages.list('chat/a', { limit: 100_000 })
    expect(archive.map(({ json }) => JSON.parse(json).text)).toEqual(updates)
    expect(updates.length).toBeGreaterThan(19)
    await log.close()
    expectIndexInStep(file)
  }
})

test('a message goes into a backup', async () => {
  const file = await newFile()
  await withMessages(file)
  const log = await open(file)
  await log.backup(`${file}.backup`)
  expect(readFileSync(`${file}.backup`).includes('the secret launch')).toBe(true)
  const copy = await open(`${file}.backup`)
  expect(await copy.messages.list('chat/a', { limit: 9 })).toEqual(await log.messages.list('chat/a', { limit: 9 }))
})
