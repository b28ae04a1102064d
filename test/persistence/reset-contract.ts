import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { migrate } from '../../persistence/migrate.ts'
import type { PortableLog } from '../../persistence/portable-log.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { readAll, rebuild, Typist } from './updates.ts'

/** What every update log promises about documents that begin anew. `open` as for describeUpdateLog(). */
export function describeReset(name: string, open: (folder: string) => Promise<PortableLog>): void {
  async function openNew(): Promise<PortableLog> {
    const log = await open(await makeFolder())
    onTestFinished(() => log.close())
    return log
  }

  const textIn = (doc: Y.Doc) => doc.getText('text').toString()
  const textOf = async (log: UpdateLog) => textIn(rebuild(await log.load('a')))

  /** A document of two rows, and two more with which it begins anew. */
  async function openReset(log: UpdateLog): Promise<Typist> {
    const [before, after] = [new Typist('a', 1), new Typist('a', 2)]
    await log.append([{ ...before.type('poison'), clients: [1] }, before.type('!')])
    const edit = before.edit((doc) => doc.getText('text').delete(0, 7))
    const gone = { ...edit, author: 'mia', clients: [7], expects: { position: 2 } }
    const anew = { ...after.type('clean'), author: 'mia', clients: [2], follows: true, resets: true }
    expect(await log.append([{ ...gone, expects: { position: 1 } }, anew])).toEqual([0, 0])
    expect(await log.append([gone, anew])).toEqual([3, 4])
    return after
  }

  describe(`${name}: a document that begins anew`, () => {
    test('is what it began with and what came after, while its history has all rows', async () => {
      const log = await openNew()
      const typist = await openReset(log)
      expect(await log.load('a')).toMatchObject({ position: 4, epoch: 4, retired: new Set([1, 7]) })
      expect((await log.load('a')).clients).toEqual(
        new Map([
          [1, 'ann'],
          [7, 'mia'],
          [2, 'mia'],
        ]),
      )
      const late = new Typist('a', 3).type('late')
      expect(await log.append([late, { ...late, epoch: 2 }, { ...typist.type(', and more'), epoch: 4 }])).toEqual([
        0, 0, 5,
      ])
      expect(await textOf(log)).toBe('clean, and more')
      const rows = await readAll(log, 'a')
      expect(rows.map(({ position, epoch }) => [position, epoch])).toEqual([1, 2, 3, 4, 5].map((at) => [at, 4]))
      const history = new Y.Doc()
      for (const { data } of rows) Y.applyUpdate(history, data)
      expect(textIn(history)).toBe('clean, and more')

      expect(await log.compact('a')).toBe(5)
      expect(await log.append([{ ...typist.type('.'), epoch: 4 }])).toEqual([6])
      expect(await log.load('a')).toMatchObject({ position: 6, epoch: 4, snapshot: 5 })
      expect(await textOf(log)).toBe('clean, and more.')
      expect(await Array.fromAsync(log.check())).toEqual([])
    })

    test('doesn’t take the snapshot of what it was before', async () => {
      const log = await openNew()
      const typist = new Typist('a', 1)
      await log.append([typist.type('poison')])
      await log.compact('a')
      await log.append([{ ...new Typist('a', 2).type('clean'), resets: true }])
      expect(await log.load('a')).toMatchObject({ position: 2, epoch: 2, snapshot: 0 })
      expect(await textOf(log)).toBe('clean')
    })

    test.each([
      ['before it began anew', 2],
      ['of what it began with', 3],
      ['up to that', 4],
      ['behind that', 5],
    ])('is the same when rows are forgotten, as those %s', async (_which, until) => {
      const log = await openNew()
      const typist = await openReset(log)
      const rows = [', one', ', two', ', three'].map((text) => ({ ...typist.type(text), epoch: 4 }))
      await log.append(rows)
      const { clients, retired } = await log.load('a')
      expect(await log.retention.forget('a', until)).toBe(until)
      expect(await textOf(log)).toBe('clean, one, two, three')
      expect(await log.load('a')).toMatchObject({ position: 7, epoch: 4, clients, retired })
      expect([...rebuild(await log.load('a')).store.clients.keys()], 'nothing of before').toEqual([2])
      const base = await log.retention.historyBase('a')
      const history = new Y.Doc()
      for (const data of [base?.state, ...(await readAll(log, 'a', until)).map((row) => row.data)]) {
        if (data !== undefined) Y.applyUpdate(history, data)
      }
      expect(textIn(history)).toBe('clean, one, two, three')
      await log.compact('a')
      expect(await textOf(log)).toBe('clean, one, two, three')
      expect(await log.retention.forget('a', 7)).toBe(7)
      expect([await textOf(log), await log.epoch('a')]).toEqual(['clean, one, two, three', 4])
      const copy = await openSqliteLog({ file: join(await makeFolder(), 'copy.db') })
      try {
        await migrate(log, copy)
        const { epoch, retired: alsoRetired } = await copy.load('a')
        expect({ epoch, retired: alsoRetired, text: await textOf(copy) }).toEqual({
          epoch: 4,
          retired,
          text: await textOf(log),
        })
      } finally {
        await copy.close()
      }
      expect(await Array.fromAsync(log.check())).toEqual([])
    })

    test('stays so when it is deleted and restored, and in a copy of the log', async () => {
      const log = await openNew()
      await openReset(log)
      const loaded = await log.load('a')
      await log.delete('a', { at: 1, by: 'mia' })
      const copy = await openSqliteLog({ file: join(await makeFolder(), 'copy.db') })
      try {
        await migrate(log, copy)
        await copy.undelete('a')
        expect(await copy.load('a')).toEqual(loaded)
      } finally {
        await copy.close()
      }
      await log.undelete('a')
      expect(await log.load('a')).toEqual(loaded)
    })
  })
}
