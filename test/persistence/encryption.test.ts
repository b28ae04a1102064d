import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checksum } from '../../persistence/checksum.ts'
import { type KeyRing, parseKeyRing } from '../../persistence/encryption.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { makeFolder } from './folder.ts'
import { readAll, rebuild, Typist, textOf, update } from './updates.ts'

const key = (id: string, fill: number) => `${id}:${Buffer.alloc(32, fill).toString('base64')}`
const K1 = parseKeyRing(key('k1', 1))
const SECRET = 'the plans of the launch, which nobody may read'

async function open(file: string, encryption?: KeyRing) {
  const log = await openSqliteLog({ file, encryption })
  onTestFinished(() => log.close())
  return log
}

async function withLog(file: string, encryption: KeyRing | undefined, texts: readonly string[]): Promise<void> {
  const log = await openSqliteLog({ file, encryption })
  await log.append(texts.map((text) => update('a', text)))
  await log.close()
}

async function newFile(): Promise<string> {
  return join(await makeFolder(), 'log.db')
}

function run(file: string, sql: string, ...parameters: unknown[]): unknown[] {
  const db = new Database(file)
  const statement = db.prepare(sql)
  const rows = statement.reader ? statement.raw().all(...parameters) : [statement.run(...parameters).changes]
  db.close()
  return rows
}

test('nothing that was written stands readable in the files', async () => {
  const file = await newFile()
  // By another process: closing a database file in this one would drop the locks of SQLite.
  const bytesOf = (path: string) =>
    existsSync(path) ? execFileSync('cat', [path], { maxBuffer: 2 ** 28 }) : Buffer.alloc(0)
  for (const encryption of [undefined, K1]) {
    const name = `${file}.${encryption === undefined ? 'plain' : 'encrypted'}`
    const typist = new Typist('a')
    const log = await openSqliteLog({ file: name, encryption })
    await log.append([typist.type(SECRET), typist.type('.')])
    await log.compact('a')
    const visible = encryption === undefined // so that the test is known to look at the right place
    expect(bytesOf(`${name}-wal`).includes(SECRET)).toBe(visible)
    await log.close()
    expect(bytesOf(name).includes(SECRET)).toBe(visible)
    expect(
      rebuild(await (await open(name, encryption)).load('a'))
        .getText('text')
        .toString(),
    ).toBe(`${SECRET}.`)
  }
})

test('a wrong key under the same id is refused when the log is opened', async () => {
  const file = await newFile()
  await withLog(file, K1, ['x'])
  const wrong = parseKeyRing(key('k1', 2))
  await expect(openSqliteLog({ file, encryption: wrong })).rejects.toMatchObject({
    code: 'storage/key',
    message: expect.stringContaining('"k1"'),
  })
})

test.each([
  ['no key', undefined],
  ['only another key', parseKeyRing(key('k2', 2))],
])('%s: refused when the log is opened, naming the key that is missing', async (_, encryption) => {
  const file = await newFile()
  await withLog(file, K1, ['x'])
  await expect(openSqliteLog({ file, encryption })).rejects.toMatchObject({
    code: 'storage/key',
    message: expect.stringContaining('"k1"'),
  })
})

test('after a rotation old rows are read with the old key and new ones are written with the new one', async () => {
  const file = await newFile()
  await withLog(file, undefined, ['plain'])
  await withLog(file, K1, ['first'])
  await withLog(file, parseKeyRing(`${key('k2', 2)},${key('k1', 1)}`), ['second'])
  expect(run(file, 'SELECT position, key FROM updates ORDER BY position')).toEqual([
    [1, null],
    [2, 'k1'],
    [3, 'k2'],
  ])
  const log = await open(file, parseKeyRing(`${key('k2', 2)}, ${key('k1', 1)}`))
  expect((await readAll(log, 'a')).map((row) => textOf(row.data))).toEqual(['plain', 'first', 'second'])
})

test('[promise 3] an encrypted row that was given to another position or author is refused', async () => {
  const file = await newFile()
  await withLog(file, K1, ['pay ann', 'pay bob'])
  // Somebody who knows the format and has no key.
  const forged = (position: number, author: string) => {
    const db = new Database(file)
    const row = db
      .prepare<[], { document: number; at: number; data: Buffer }>('SELECT * FROM updates WHERE position = 1')
      .get()
    db.close()
    if (row === undefined) expect.unreachable()
    const { document, at, data } = row
    const sum = checksum([document, position, at], author, 'k1', data)
    run(file, 'UPDATE updates SET author = ?, data = ?, checksum = ? WHERE position = ?', author, data, sum, position)
  }
  const refused = { code: 'storage/corrupt', message: expect.stringContaining('decrypted') }
  forged(2, 'ann')
  await expect((await open(file, K1)).load('a')).rejects.toMatchObject(refused)
  forged(1, 'eve')
  await expect((await open(file, K1)).load('a')).rejects.toMatchObject(refused)
})

describe('ENCRYPTION_KEY', () => {
  const secret = Buffer.alloc(32, 7).toString('base64')

  test('holds one or more keys', () => {
    expect(parseKeyRing(`new:${secret},old-1:${secret.replace('=', '')}`).map(({ id }) => id)).toEqual(['new', 'old-1'])
  })

  test.each([
    ['nothing', ''],
    ['no id', secret],
    ['an empty id', `:${secret}`],
    ['a short key', `k1:${secret.slice(4)}`],
    ['a key that is not base64', `k1:${secret.replace('B', '*')}`],
    ['the same id twice', `k1:${secret},k1:${secret}`],
    ['an empty entry', `k1:${secret},`],
  ])('%s is refused, without showing any of the key', (_, text) => {
    const parse = () => parseKeyRing(text)
    expect(parse).toThrow(expect.objectContaining({ code: 'storage/key' }))
    expect(parse).not.toThrow(secret.slice(8, 16))
  })
})
