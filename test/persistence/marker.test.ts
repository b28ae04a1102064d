import { copyFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { makeFolder } from './folder.ts'
import { update } from './updates.ts'

async function makeLog() {
  const folder = await makeFolder()
  const file = join(folder, 'log.db')
  const log = await openSqliteLog({ file })
  await log.append([update('a', 'x')])
  await log.close()
  return { folder, file }
}

async function positionIn(file: string): Promise<number> {
  const log = await openSqliteLog({ file })
  const { position } = await log.load('a').finally(() => log.close())
  return position
}

const missing = { code: 'storage/missing', message: expect.stringMatching(/Restore it from a backup/) }

test('[promise 1] a missing database beside its marker is an error, and no new one is made', async () => {
  const { folder, file } = await makeLog()
  await rm(file)
  await expect(openSqliteLog({ file })).rejects.toMatchObject(missing)
  expect(await readdir(folder)).toEqual(['log.db.marker'])
})

test('[promise 1] an emptied database beside its marker is an error, and stays empty', async () => {
  const { file } = await makeLog()
  await truncate(file)
  await writeFile(`${file}-wal`, 'what is left of it') // SQLite would delete it
  await expect(openSqliteLog({ file })).rejects.toMatchObject(missing)
  expect(await readFile(file, 'utf8')).toBe('')
  expect(await readFile(`${file}-wal`, 'utf8')).toBe('what is left of it')
})

test('[promise 1] another database beside the marker is an error', async () => {
  const [{ file }, other] = [await makeLog(), await makeLog()]
  await copyFile(other.file, file)
  await expect(openSqliteLog({ file })).rejects.toMatchObject(missing)
})

test('[promise 1] a database without tables beside the marker is an error', async () => {
  const { file } = await makeLog()
  const { default: Database } = await import('better-sqlite3')
  await rm(file)
  const db = new Database(file)
  db.pragma('journal_mode = WAL') // writes the header and nothing else
  db.close()
  await expect(openSqliteLog({ file })).rejects.toMatchObject(missing)
})

test('a missing database whose write-ahead log is still there is an error without marker, too', async () => {
  const file = join(await makeFolder(), 'log.db')
  await writeFile(`${file}-wal`, 'what is left of it')
  await expect(openSqliteLog({ file })).rejects.toMatchObject(missing)
  expect(await readFile(`${file}-wal`, 'utf8')).toBe('what is left of it')
})

test('a missing marker is made again, for the same database', async () => {
  const { file } = await makeLog()
  const before = await readFile(`${file}.marker`, 'utf8')
  await rm(`${file}.marker`)
  expect(await positionIn(file)).toBe(1)
  expect(await readFile(`${file}.marker`, 'utf8')).toBe(before)
})

test('a database that has never been written is made, also where its file is there and empty', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'empty.db'), '')
  expect(await positionIn(join(folder, 'empty.db'))).toBe(0)
  expect(await positionIn(join(folder, 'new.db'))).toBe(0)
})

test('a damaged marker is an error that says what to do', async () => {
  const { file } = await makeLog()
  await writeFile(`${file}.marker`, '{"database":')
  await expect(openSqliteLog({ file })).rejects.toMatchObject({
    code: 'storage/corrupt',
    message: expect.stringMatching(/remove the marker/),
  })
  await rm(`${file}.marker`)
  expect(await positionIn(file)).toBe(1)
})
