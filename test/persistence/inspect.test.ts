import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describeDocument } from '../../persistence/inspect.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { makeFolder } from './folder.ts'
import { Typist } from './updates.ts'

test('a document is described by sizes and names', async () => {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  onTestFinished(() => log.close())
  const typist = new Typist('a')
  const updates = [
    { ...typist.type('hello'), clients: [1], at: 1_000 },
    { ...typist.edit((doc) => doc.getMap('settings').set('colour', 'red')), author: 'bob', clients: [7], at: 2_000 },
    { ...typist.edit((doc) => doc.getMap('settings').delete('colour')), at: 3_000 },
    { ...typist.edit((doc) => doc.getMap('settings').set('size', 1)), at: 4_000 },
  ]
  await log.append(updates.slice(0, 3))
  await log.compact('a')
  await log.append(updates.slice(3))
  expect(await describeDocument(log, 'a')).toEqual({
    name: 'a',
    position: 4,
    rows: 4,
    forgotten: 0,
    bytes: updates.reduce((sum, { data }) => sum + data.length, 0),
    firstAt: new Date(1_000),
    lastAt: new Date(4_000),
    snapshot: { position: 3, bytes: expect.any(Number) },
    tail: { rows: 1, bytes: updates[3]?.data.length },
    authors: { ann: 3, bob: 1 },
    clients: { 1: 'ann', 7: 'bob' },
    types: [
      { name: 'text', length: 5, keys: 0 },
      { name: 'settings', length: 0, keys: 1 },
    ],
    pending: false,
  })
})

test('an unknown document is described as empty', async () => {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  onTestFinished(() => log.close())
  expect(await describeDocument(log, 'a')).toMatchObject({ position: 0, rows: 0, snapshot: undefined, types: [] })
})
