import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { nextLine, startChild } from './child.ts'
import { filesWith } from './files-with.ts'
import { makeFolder } from './folder.ts'
import { index } from './text-index-contract.ts'
import { readAll, rebuild, Typist, update } from './updates.ts'

async function openIn(folder: string) {
  const log = await openSqliteLog({ file: join(folder, 'log.db') })
  onTestFinished(() => log.close())
  return log
}

function queryIn(folder: string, sql: string): unknown {
  const db = new Database(join(folder, 'log.db'))
  const statement = db.prepare(sql)
  const found = statement.reader ? statement.pluck().get() : statement.run().changes
  db.close()
  return found
}

test('what was deleted before the history begins can be read in no file any more', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  const typist = new Typist('chat/a')
  for (let round = 0; round < 3; round++) {
    await log.append(Array.from({ length: 40 }, () => typist.type('needleinrow '.repeat(50), 0)))
    await log.compact('chat/a')
  }
  await log.append([typist.edit((doc) => doc.getText('text').delete(0, typist.text.length)), typist.type('stays')])
  expect(filesWith(folder, 'needleinrow')).not.toEqual([])
  await log.compact('chat/a')
  expect(await log.retention.forget('chat/a', 122)).toBe(122)
  expect(filesWith(folder, 'needleinrow')).toEqual([])
  expect(
    rebuild(await log.load('chat/a'))
      .getText('text')
      .toString(),
  ).toBe('stays')
})

test('what a text said before the history begins is in no file any more either', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  const typist = new Typist('a')
  const other = new Typist('b')
  await log.append([typist.type('1'), typist.type('2'), other.type('1'), other.type('2')])
  await index(log.texts, 'a', 1, 'yarrowneedle '.repeat(50))
  await index(log.texts, 'b', 1, 'quinceneedle '.repeat(50))
  await index(log.texts, 'a', 2, 'stays')
  expect(filesWith(folder, 'yarrowneedle')).not.toEqual([])
  // The text of one is older than that, since nobody has made it anew.
  for (const document of ['b', 'a']) expect(await log.retention.forget(document, 2)).toBe(2)
  for (const secret of ['yarrowneedle', 'quinceneedle']) expect(filesWith(folder, secret)).toEqual([])
  const found = await log.texts.search('stays', { prefixes: [''], limit: 9 })
  expect(found).toMatchObject([{ name: 'a', position: 2 }])
  expect(await log.texts.lagging({ after: 0, limit: 9 })).toMatchObject({ documents: ['b'] })
})

test('forgetting goes on where a process was killed, and takes nothing else with it', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  const rows = () => Number(queryIn(folder, 'SELECT count(*) FROM updates'))
  const typist = new Typist('a')
  const big = 'x'.repeat(10_000)
  let last = 0
  // Again with more where the process was done sooner than it was killed.
  for (let size = 500; rows() === last - (await log.retention.historyStart('a')).position; size *= 2) {
    const positions = await log.append(
      Array.from({ length: size }, () => typist.edit((doc) => doc.getMap('map').set('x', big))),
    )
    last = positions.at(-1) ?? 0
    const child = startChild('forget', `sqlite:${join(folder, 'log.db')}`, 'a', String(last - 1))
    expect(await nextLine(child)).toBe('opened')
    await expect.poll(rows, { interval: 1, timeout: 20_000 }).toBeLessThan(last)
    await child.kill()
  }
  // Nobody takes what is left for damage, or for history.
  expect((await log.retention.historyStart('a')).position).toBe(last - 1)
  expect(await Array.fromAsync(log.check())).toEqual([])
  await expect(readAll(log, 'a')).rejects.toMatchObject({ code: 'history/forgotten' })
  expect(await log.retention.forgettable({ before: 0, limit: 9 })).toEqual({ documents: ['a'], next: undefined })
  expect(await log.retention.forget('a', 1)).toBe(last - 1)
  expect(rows()).toBe(1)
  expect(await readAll(log, 'a', last - 1)).toHaveLength(1)
  expect(
    rebuild(await log.load('a'))
      .getMap('map')
      .get('x'),
  ).toBe(big)
})

test('edits are stored while much history is forgotten', async () => {
  const log = await openIn(await makeFolder())
  const typist = new Typist('a')
  await log.append(
    Array.from({ length: 150 }, () => typist.edit((doc) => doc.getMap('m').set('x', 'y'.repeat(100_000)))),
  )
  let isForgetting = true
  const done = log.retention.forget('a', 150).finally(() => {
    isForgetting = false
  })
  let appended = 0
  for (; isForgetting; appended += 1) await log.append([update('b', 'x')])
  await done
  expect(appended).toBeGreaterThan(2)
})

test('rows that are missing are told from forgotten ones, and so is the snapshot where the history begins', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  const typist = new Typist('a')
  await log.append(Array.from('abcdef', (letter) => typist.type(letter)))
  await log.retention.forget('a', 3)
  await log.compact('a')
  const corrupt = (message: string) => expect.objectContaining({ code: 'storage/corrupt', message })
  queryIn(folder, 'DELETE FROM updates WHERE position = 4')
  const missingRow = 'a: the row at position 4 is missing'
  expect(await Array.fromAsync(log.check())).toEqual([{ document: 'a', position: 4, problem: missingRow }])
  await expect(readAll(log, 'a', 3)).rejects.toEqual(corrupt(missingRow))
  queryIn(folder, 'DELETE FROM snapshots WHERE position = 3')
  const missingBase = 'a: the snapshot at position 3 is missing'
  await expect(log.retention.historyBase('a')).rejects.toEqual(corrupt(missingBase))
  queryIn(folder, 'DELETE FROM snapshots')
  await expect(log.load('a')).rejects.toEqual(corrupt(missingBase))
  // A row that says less is forgotten than was.
  queryIn(folder, 'UPDATE documents SET forgotten = 2')
  const badRecord = 'a: bad checksum in the row of documents with id 1'
  await expect(log.load('a')).rejects.toEqual(corrupt(badRecord))
  expect(await Array.fromAsync(log.check())).toEqual([{ document: 'a', position: undefined, problem: badRecord }])
})
