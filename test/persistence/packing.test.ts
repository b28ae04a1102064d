import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { checksum } from '../../persistence/checksum.ts'
import { type KeyRing, parseKeyRing } from '../../persistence/encryption.ts'
import { MAX_PACK_BYTES, MAX_PACK_ROWS, openPack, packable, sealPack } from '../../persistence/row-pack.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { nextLine, startChild } from './child.ts'
import { makeFolder } from './folder.ts'
import { readAll, Typist, typedRows, update } from './updates.ts'

const keys = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

async function openIn(folder: string, encryption?: KeyRing) {
  const log = await openSqliteLog({ file: join(folder, 'log.db'), encryption })
  onTestFinished(() => log.close())
  return log
}

function queryIn(folder: string, sql: string, ...parameters: unknown[]): unknown[][] {
  const db = new Database(join(folder, 'log.db'))
  const statement = db.prepare<unknown[], unknown[]>(sql)
  const found = statement.reader ? statement.raw().all(...parameters) : [[statement.run(...parameters).changes]]
  db.close()
  return found
}

test('whatever rows hold comes back the same, encrypted or not', () => {
  const document = { id: 7, name: 'a' }
  const rows = [
    { position: 5, at: Number.MAX_SAFE_INTEGER, author: '', data: new Uint8Array() },
    { position: 6, at: 0, author: 'ünï 😀 \u0000', data: Uint8Array.of(0, 255) },
    { position: 7, at: Number.MAX_SAFE_INTEGER, author: '', data: new Uint8Array(100_000).fill(7) },
  ]
  for (const ring of [undefined, keys]) {
    const { first, last, at, key, data, checksum: sum } = sealPack(ring, document, rows)
    expect([first, last, at, key]).toEqual([5, 7, Number.MAX_SAFE_INTEGER, ring?.[0].id ?? null])
    expect(openPack(ring, document, [first, last, at, key, data, sum])).toEqual(rows)
  }
})

test('rows side by side go together, as long as they are short, and enough of them', () => {
  const row = (position: number, bytes = 10) => ({ position, bytes })
  const many = (count: number, bytes?: number) => Array.from({ length: count }, (_, index) => row(index + 1, bytes))
  expect(packable([])).toEqual({ count: 0, isWorthIt: false })
  expect(packable(many(19))).toEqual({ count: 19, isWorthIt: false })
  expect(packable(many(20))).toEqual({ count: 20, isWorthIt: true })
  expect(packable(many(5, 4_000))).toEqual({ count: 5, isWorthIt: true })
  expect(packable([...many(30), row(32)])).toEqual({ count: 30, isWorthIt: true })
  expect(packable(many(2 * MAX_PACK_ROWS))).toEqual({ count: MAX_PACK_ROWS, isWorthIt: true })
  expect(packable(many(9, MAX_PACK_BYTES / 4))).toEqual({ count: 4, isWorthIt: true })
  expect(packable([row(1, MAX_PACK_BYTES + 1), row(2)])).toEqual({ count: 1, isWorthIt: false })
})

test('packing goes on where a process was killed, and no row is lost or there twice', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  const loose = () => Number(queryIn(folder, 'SELECT count(*) FROM updates')[0]?.[0])
  // Again with more where the process was done sooner than it was killed.
  for (let [document, count] = ['a', 6_000]; ; document += 'a', count *= 2) {
    const before = loose() + count
    const { data } = new Typist(document).type('x')
    await log.append(Array.from({ length: count }, (_, index) => update(document, '', { at: index, data })))
    await log.compact(document)
    const child = startChild('pack', `sqlite:${join(folder, 'log.db')}`, document)
    expect(await nextLine(child)).toBe('opened')
    await expect.poll(loose, { interval: 1, timeout: 20_000 }).toBeLessThan(before)
    await child.kill()
    const found = await readAll(log, document)
    expect(found.map(({ position, at }) => `${position} ${at}`)).toEqual(
      Array.from({ length: count }, (_, index) => `${index + 1} ${index}`),
    )
    if (loose() === before - count) continue
    expect(await log.retention.pack(document, count)).toBeGreaterThan(0)
    expect(await readAll(log, document)).toEqual(found)
    return
  }
})

test('a damaged pack is an error that names document and position, also for check', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  const { data } = new Typist('a').type('x')
  await log.append([...Array.from({ length: 2_100 }, () => update('a', '', { data })), update('b', '', { data })])
  await log.compact('a')
  expect(await log.retention.pack('a', 2_000)).toBe(2_000)
  queryIn(folder, 'CREATE TABLE intact AS SELECT * FROM packs')
  const damaged = /^a: the rows at positions 1001 to \d+, which are packed together, are damaged$/
  const damages = [
    [`UPDATE packs SET data = x'00' WHERE first = 1001`, 1_001, damaged],
    [`UPDATE packs SET at = 1 WHERE first = 1001`, 1_001, damaged],
    [`UPDATE packs SET key = 'k1' WHERE first = 1001`, 1_001, damaged],
    [`UPDATE packs SET last = 1999 WHERE first = 1001`, 1_001, damaged],
    [`UPDATE packs SET document = 2 WHERE first = 1`, 1, /^a: the row at position 1 is missing$/],
    [`DELETE FROM packs WHERE first = 1001`, 1_001, /^a: the row at position 1001 is missing$/],
  ] as const
  for (const [sql, position, problem] of damages) {
    queryIn(folder, sql)
    const [found] = await Array.fromAsync(log.check())
    expect(found, sql).toEqual({ document: 'a', position, problem: expect.stringMatching(problem) })
    const corrupt = { code: 'storage/corrupt', message: expect.stringMatching(problem) }
    await expect(readAll(log, 'a'), sql).rejects.toMatchObject(corrupt)
    if (problem === damaged) await expect(log.people.disown('zoe', 'erased-1')).rejects.toMatchObject(corrupt)
    expect(await readAll(log, 'a', 2_000)).toHaveLength(100)
    expect(await log.load('a')).toMatchObject({ position: 2_100 })
    queryIn(folder, 'DELETE FROM packs')
    queryIn(folder, 'INSERT INTO packs SELECT * FROM intact')
  }
  queryIn(
    folder,
    'INSERT INTO updates SELECT 1, 1500, at, author, key, data, checksum FROM updates WHERE position = 2001',
  )
  const problem = 'a: the row at position 1500 is also packed'
  expect(await Array.fromAsync(log.check())).toEqual([{ document: 'a', position: 1_500, problem }])
})

test('[promise 3] packs are encrypted, and open in no other document', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder, keys)
  const rows = typedRows('a', 60)
  await log.append([...rows, ...typedRows('b', 60)])
  for (const document of ['a', 'b']) expect(await log.retention.pack(document, 60)).toBe(60)
  expect(await readAll(log, 'a')).toMatchObject(rows.map(({ at, author }) => ({ at, author })))
  // With a checksum that is right there.
  const [[first, last, at, key, data] = []] = queryIn(folder, 'SELECT first, last, at, key, data FROM packs LIMIT 1')
  expect(key).toBe('k1')
  const sum = checksum([2, Number(first), Number(last), Number(at)], 'k1', data instanceof Buffer ? data : '')
  queryIn(folder, 'DELETE FROM packs WHERE document = 2')
  queryIn(folder, 'INSERT INTO packs VALUES (2, ?, ?, ?, ?, ?, ?)', first, last, at, key, data, sum)
  await expect(readAll(log, 'b')).rejects.toMatchObject({ code: 'storage/corrupt', message: /can't be decrypted/ })
})
