import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../../persistence/migrate.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { nextLine, startChild } from './child.ts'
import { filesWith } from './files-with.ts'
import { makeFolder } from './folder.ts'
import { index } from './text-index-contract.ts'
import { archived, Typist, textOf, update } from './updates.ts'

const deletion = { at: 1_800_000_000_000, by: 'mia' }

async function openIn(folder: string) {
  const log = await openSqliteLog({ file: join(folder, 'log.db') })
  onTestFinished(() => log.close())
  return log
}

test('what was erased can be read in no file any more, nor what snapshots and edits of messages replaced', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  const typist = new Typist('a')
  const secrets = ['needleinrow', 'xylophone', 'zeppelin', 'needleanna', 'yarrowneedle', 'quinceneedle']
  for (let round = 0; round < 3; round += 1) {
    const row = () => ({ ...typist.type('needleinrow '.repeat(50), 0), author: 'needleanna' })
    await log.append(Array.from({ length: 40 }, row))
    await log.compact('a')
  }
  // Few transactions: many would have the index of words merged anyway.
  const sent = Array.from({ length: 60 }, (_, index) => archived('chat/a', index + 1, `xylophone needleword${index}`))
  const edited = sent.map((message) => ({ ...message, json: message.json.replace('xylophone', 'zeppelin') }))
  await log.append([update('chat/a@1', '', { messages: sent })])
  await log.append([
    update('chat/a@1', '', { messages: edited }),
    update('b', 'stays', { messages: [archived('chat/b', 1, 'of b needleword1')] }),
  ])
  // An older text, and one that stands there now.
  await index(log.texts, 'a', 60, 'yarrowneedle '.repeat(50))
  await index(log.texts, 'b', 1, 'quinces')
  await index(log.texts, 'a', 120, 'quinceneedle '.repeat(50))
  for (const secret of ['needleinrow', 'quinceneedle']) expect(filesWith(folder, secret)).not.toEqual([])
  await log.delete('a', deletion)
  await log.erase('a')
  for (const secret of secrets) expect(filesWith(folder, secret)).toEqual([])
  const { messages } = await log.messages.search('needleword1', { limit: 9 })
  expect(messages.map(({ room }) => room)).toEqual(['chat/b'])
  expect(await log.texts.search('quince', { prefixes: [''], limit: 9 })).toMatchObject([{ name: 'b' }])
  const notYjs = expect.objectContaining({ document: 'b', position: 1 }) // as it was made
  expect(await Array.fromAsync(log.check())).toEqual([notYjs])
})

test('erasing goes on where a process was killed, and takes nothing else with it', async () => {
  const folder = await makeFolder()
  const url = `sqlite:${join(folder, 'log.db')}`
  const log = await openIn(folder)
  const big = Buffer.alloc(100_000, 'x')
  await log.append([update('b', 'stays', { messages: [archived('chat/b', 1, 'stays')] })])
  const rows = () => {
    const db = new Database(join(folder, 'log.db'), { readonly: true })
    const count = Number(db.prepare('SELECT count(*) FROM updates').pluck().get())
    db.close()
    return count
  }
  // Again with a bigger one where the process was done sooner than it was killed.
  for (let size = 150; rows() === 1; size *= 2) {
    await log.free('a')
    await log.append(Array.from({ length: size }, (_, index) => update('a', '', { data: big, clients: [index] })))
    await log.delete('a', deletion)
    const child = startChild('erase', url, 'a')
    await nextLine(child)
    await expect.poll(rows, { interval: 1, timeout: 20_000 }).toBeLessThan(size + 1)
    await child.kill()
  }

  // Nobody can take it back any more, and nobody takes it for damage.
  expect(await log.undelete('a')).toBe('erased')
  expect((await log.load('a')).deleted).toEqual({ ...deletion, isErased: true })
  expect(await log.append([update('a', 'late')])).toEqual([0])
  expect(await log.erasable({ before: 0, limit: 9 })).toEqual(['a'])
  const damages = await Array.fromAsync(log.check())
  expect(damages.filter(({ document }) => document !== 'b')).toEqual([])
  expect(await log.free('a')).toBe(true) // which ends the erasing first
  expect(rows()).toBe(1)
  expect(await log.append([update('a', 'anew')])).toEqual([1])
  expect((await log.load('b')).parts.map(textOf)).toEqual(['stays'])
  expect(await log.messages.list('chat/b', { limit: 9 })).toHaveLength(1)
})

test('edits are stored while a big document is erased', async () => {
  const log = await openIn(await makeFolder())
  const big = Buffer.alloc(100_000, 'x')
  await log.append(Array.from({ length: 150 }, () => update('a', '', { data: big })))
  await log.delete('a', deletion)
  let isErasing = true
  const erased = log.erase('a').finally(() => {
    isErasing = false
  })
  let appended = 0
  for (; isErasing; appended += 1) await log.append([update('b', 'x')])
  await erased
  expect(appended).toBeGreaterThan(2)
})

test('a backup and a migrated copy have the deletions too', async () => {
  const folder = await makeFolder()
  const log = await openIn(folder)
  for (const name of ['kept', 'gone', 'erased']) {
    const typist = new Typist(name)
    await log.append([
      typist.type(name),
      { ...new Typist(`chat/${name}@1`).type('hi'), messages: [archived(`chat/${name}`, 1, name)] },
    ])
    if (name !== 'kept') await log.delete(name, deletion)
  }
  await log.erase('erased')
  await log.delete('never written', deletion)

  const copyFolder = await makeFolder()
  const copy = await openIn(copyFolder)
  for (const _ of ['copied', 'copied again']) {
    expect(await migrate(log, copy)).toEqual({ documents: 6, rows: 4, messages: 2 })
  }
  expect(await copy.documents({ limit: 9, deleted: true })).toEqual(await log.documents({ limit: 9, deleted: true }))
  const backupFolder = await makeFolder()
  await log.backup(join(backupFolder, 'log.db'))
  const backup = await openIn(backupFolder)
  for (const other of [copy, backup]) {
    expect(await other.undelete('gone')).toBe('restored')
    expect((await other.load('gone')).position).toBe(1)
    expect(await other.undelete('erased')).toBe('erased')
    expect(await other.append([update('never written', 'x')])).toEqual([0])
    expect(await Array.fromAsync(other.check())).toEqual([])
  }
})
