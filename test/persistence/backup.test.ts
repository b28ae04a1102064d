import { copyFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { makeFolder } from './folder.ts'
import { readAll, textOf, update } from './updates.ts'

async function open(file: string) {
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  return log
}

test('[promise 1] a backup made while others append is one moment of the log, and opens elsewhere', async () => {
  const folder = await makeFolder()
  const log = await open(join(folder, 'log.db'))
  const filling = Buffer.alloc(100_000)
  await log.append(Array.from({ length: 100 }, (_, index) => update('big', '', { data: filling, at: index })))

  let stopped = false
  let batches = 0
  const appending = (async () => {
    for (; !stopped; batches++) await log.append([update('a', `${batches}`), update('b', `${batches}`)])
  })()
  await log.backup(join(folder, 'backup.db'))
  stopped = true
  await appending

  const backup = await open(join(folder, 'backup.db'))
  const [a, b] = [await readAll(backup, 'a'), await readAll(backup, 'b')]
  expect(a.map((row) => textOf(row.data))).toEqual(Array.from(a, (_, index) => `${index}`))
  expect(b.map((row) => textOf(row.data))).toEqual(a.map((row) => textOf(row.data)))
  expect(a.length).toBeLessThanOrEqual(batches)
  expect(await readAll(backup, 'big')).toHaveLength(100)
  expect(await readAll(log, 'a')).toHaveLength(batches)
})

test('a backup replaces the database that it was made of, beside its marker', async () => {
  const folder = await makeFolder()
  const file = join(folder, 'log.db')
  const log = await openSqliteLog({ file })
  await log.append([update('a', 'before')])
  await log.backup(join(folder, 'backup.db'))
  await log.append([update('a', 'after')])
  await log.close()
  await rm(file)
  await copyFile(join(folder, 'backup.db'), file)
  expect((await readAll(await open(file), 'a')).map((row) => textOf(row.data))).toEqual(['before'])
})

test('an existing file is refused and kept; nothing half-made is left', async () => {
  const folder = await makeFolder()
  const log = await open(join(folder, 'log.db'))
  const target = join(folder, 'backup.db')
  await writeFile(target, 'precious')
  await expect(log.backup(target)).rejects.toThrow(/exists already/)
  await expect(log.backup(join(folder, 'nowhere', 'backup.db'))).rejects.toMatchObject({ name: 'StorageError' })
  expect((await readdir(folder)).filter((name) => name.startsWith('backup'))).toEqual(['backup.db'])
})
