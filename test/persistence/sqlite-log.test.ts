import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { isSoak } from '../support/random.ts'
import { makeFolder } from './folder.ts'
import { describeMessageSearch } from './message-search-contract.ts'
import { describeReset } from './reset-contract.ts'
import { describeSeenStore } from './seen-store-contract.ts'
import { describeTextIndex } from './text-index-contract.ts'
import { describeUpdateLog } from './update-log-contract.ts'
import { readAll, rebuild, stamp, Typist, textOf, update } from './updates.ts'
import { describeVersionStore, namedVersion } from './version-store-contract.ts'

const encryption = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

describeUpdateLog('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
// What encryption itself promises has tests of its own.
if (isSoak)
  describeUpdateLog('SQLite, encrypted', (folder) => openSqliteLog({ file: join(folder, 'log.db'), encryption }))

describeReset('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
describeVersionStore('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
describeSeenStore('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
describeVersionStore('SQLite, encrypted', (folder) => openSqliteLog({ file: join(folder, 'log.db'), encryption }))
describeSeenStore('SQLite, encrypted', (folder) => openSqliteLog({ file: join(folder, 'log.db'), encryption }))

describeMessageSearch('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
describeTextIndex('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))

async function openFile(file: string) {
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  return log
}

test('a backup has versions and what users have seen', async () => {
  const folder = await makeFolder()
  const log = await openFile(join(folder, 'log.db'))
  await log.append([update('a', '1')])
  await log.versions.add('a', namedVersion('x', 1))
  await log.seen.raise('a', [{ user: 'ann', position: 1, at: 2 }])
  await log.backup(join(folder, 'backup.db'))
  const backup = await openFile(join(folder, 'backup.db'))
  expect(await backup.versions.list('a')).toEqual([namedVersion('x', 1)])
  expect(await backup.seen.find('a', 'ann')).toEqual({ user: 'ann', position: 1, at: 2 })
})

test('damaged versions and what users have seen are found, and never taken for others', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openFile(file)
  await log.append([new Typist('a').type('x'), new Typist('b').type('x')])
  await log.versions.add('a', namedVersion('x', 1))
  await log.seen.raise('b', [{ user: 'ann', position: 1, at: 2 }])
  const db = new Database(file)
  db.exec(`UPDATE versions SET position = 0; UPDATE seen SET user = 'bob'`)
  db.exec(`INSERT INTO seen SELECT 99, user, position, at, checksum FROM seen`)
  db.close()
  await expect(log.versions.list('a')).rejects.toMatchObject({ code: 'storage/corrupt' })
  await expect(log.seen.find('b', 'bob')).rejects.toMatchObject({ code: 'storage/corrupt' })
  expect(await Array.fromAsync(log.check())).toEqual([
    { document: 'a', position: undefined, problem: 'a: bad checksum of the version x' },
    { document: 'b', position: undefined, problem: 'b: bad checksum of what bob has seen' },
    {
      document: undefined,
      position: undefined,
      problem: 'rows in seen belong to a document with id 99, which is missing',
    },
  ])
})

test('[promise 1] an empty batch is a write to the disk', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openFile(file)
  const beats = () => {
    const db = new Database(file, { readonly: true })
    const found = db.prepare(`SELECT value FROM meta WHERE key = 'heartbeat'`).pluck().get()
    db.close()
    return found
  }
  await log.append([])
  expect(beats()).toBe(1)
  await log.append([])
  expect(beats()).toBe(2)
})

test('[promise 1] every connection syncs the disk with each commit', async () => {
  const { openForWriting } = await import('../../persistence/sqlite/database.ts')
  const file = join(await makeFolder(), 'log.db')
  const { db } = openForWriting({ role: 'writer', file, keys: undefined, databaseId: undefined })
  expect(db.pragma('synchronous', { simple: true })).toBe(2)
  expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
  db.close()
})

test('[promise 1] nothing is acknowledged once the database has been moved away', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openFile(file)
  await log.append([update('a', '1')])
  await rename(file, `${file}.moved`)
  await expect(log.append([update('a', '2')])).rejects.toMatchObject({ code: 'storage/unavailable' })
  await expect(log.append([update('a', '2')])).rejects.toMatchObject({ code: 'storage/missing' })
  await rename(`${file}.moved`, file)
  const [position] = await log.append([update('a', '2')])
  expect((await readAll(log, 'a')).at(-1)?.position).toBe(position)
})

test('[promise 4] a commit that was stored and not acknowledged leaves the same update out when it comes again', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openFile(file)
  const batch = [stamp('chat/a', 0, 'one'), update('a', 'x', { clients: [1] })]
  await log.append([])
  await rename(file, `${file}.moved`)
  await expect(log.append(batch)).rejects.toMatchObject({ code: 'storage/unavailable' })
  await rename(`${file}.moved`, file)
  expect(await log.append(batch)).toEqual([0, 2])
  expect((await readAll(log, 'chat/a@1')).map(({ data }) => textOf(data))).toEqual(['one'])
  expect(await log.messages.list('chat/a', { limit: 9 })).toHaveLength(1)
})

test('hasChanged says no as long as nobody commits, and notices every other connection to the file', async () => {
  const folder = await makeFolder()
  const file = join(folder, 'log.db')
  const [log, other] = [await openFile(file), await openFile(file)]
  const changes = async () => [await log.hasChanged(), await log.hasChanged(), await other.hasChanged()]
  expect(await changes()).toEqual([true, false, true]) // there was nothing before
  expect(await changes()).toEqual([false, false, false])
  await log.load('a')
  await log.messages.list('chat/a', { limit: 1 })
  expect(await log.append([])).toEqual([])
  expect(await changes()).toEqual([true, false, true])
  await other.append([stamp('chat/a', 1, 'left out')])
  expect(await changes()).toEqual([false, false, false])
  const db = new Database(file)
  db.exec(`UPDATE meta SET value = 9 WHERE key = 'heartbeat'`)
  db.close()
  expect(await changes()).toEqual([true, false, true])
})

test('a database of a newer version is refused', async () => {
  const file = join(await makeFolder(), 'log.db')
  await (await openSqliteLog({ file })).close()
  const db = new Database(file)
  db.pragma('user_version = 99')
  db.close()
  await expect(openSqliteLog({ file })).rejects.toMatchObject({ code: 'storage/version' })
})

test("another program's database is refused and left alone", async () => {
  const file = join(await makeFolder(), 'log.db')
  const db = new Database(file)
  db.exec('CREATE TABLE theirs (x)')
  db.close()
  await expect(openSqliteLog({ file })).rejects.toMatchObject({ code: 'storage/corrupt' })
  const again = new Database(file)
  expect(again.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['theirs'])
  again.close()
})

test('two processes that open a new database at once get the same one', async () => {
  const file = join(await makeFolder(), 'log.db')
  const logs = await Promise.all([1, 2, 3].map(() => openFile(file)))
  for (const log of logs) await log.append([update('a', 'x')])
  for (const log of logs) expect(await readAll(log, 'a')).toHaveLength(3)
})

test('a folder that is not there is an error that says so', async () => {
  const file = join(await makeFolder(), 'nowhere', 'log.db')
  await expect(openSqliteLog({ file })).rejects.toThrow(/directory does not exist/)
})

test('a busy document is compacted by itself, at the latest when the log is closed', async () => {
  const file = join(await makeFolder(), 'log.db')
  const typist = new Typist('a')
  const log = await openSqliteLog({ file })
  for (let batch = 0; batch < 10; batch++) {
    await log.append(Array.from({ length: 500 }, (_, index) => typist.type(index % 9 ? 'x' : 'y', 0)))
  }
  await log.close()
  const stored = await (await openFile(file)).load('a')
  expect(stored.position).toBe(5_000)
  expect(stored.parts.length).toBeLessThan(2_500)
  expect(rebuild(stored).getText('text').toString()).toBe(typist.text)
})

test('a document that can not be compacted is reported, and goes on', async () => {
  const file = join(await makeFolder(), 'log.db')
  const reported = Promise.withResolvers<Error>()
  const log = await openSqliteLog({ file, onProblem: reported.resolve })
  onTestFinished(() => log.close())
  await log.append(Array.from({ length: 3_000 }, () => update('bad', 'not Yjs')))
  expect(await reported.promise).toMatchObject({ code: 'storage/corrupt', message: /^bad: position 1 / })
  expect(await log.append([update('bad', 'x')])).toEqual([3_001])
})

test('a file that is not ours beside the database does not disturb', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'log.db.partial'), 'x')
  expect(await (await openFile(join(folder, 'log.db'))).append([update('a', 'x')])).toEqual([1])
})
