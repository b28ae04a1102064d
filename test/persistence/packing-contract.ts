import { describe, expect, test } from 'vitest'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { createRandom } from '../support/random.ts'
import { makeFolder } from './folder.ts'
import { readAll, rebuild, seed, Typist, typedRows } from './updates.ts'

/** What every update log promises of packed rows. A part of describeUpdateLog(). */
export function describePacking(name: string, openIn: (folder: string) => Promise<UpdateLog>): void {
  async function openTyped(count: number, folder?: string): Promise<UpdateLog> {
    const log = await openIn(folder ?? (await makeFolder()))
    await log.append(typedRows('a', count, createRandom(seed)))
    return log
  }

  describe(`${name}: packed rows`, () => {
    test(`are read as before, in any range, also when opened again (SEED=${seed})`, async () => {
      const folder = await makeFolder()
      const log = await openTyped(2_300, folder)
      await log.append(typedRows('b', 30))
      const rows = await readAll(log, 'a')
      const text = rebuild(await log.load('a'))
        .getText('text')
        .toString()
      await log.compact('a')
      expect(await log.retention.pack('a', 1_950)).toBe(1_950 - 2) // all but the long ones
      expect(await log.retention.pack('a', 1_950)).toBe(0)
      const random = createRandom(seed)
      for (const each of [log, await openIn(folder)]) {
        expect(await readAll(each, 'a')).toEqual(rows)
        for (let range = 0; range < 6; range++) {
          const after = random.int(2_300)
          const until = random.pick([after + 1, after + random.int(1_500), 2_300])
          expect(await readAll(each, 'a', after, until)).toEqual(rows.slice(after, until))
        }
        expect(
          rebuild(await each.load('a'))
            .getText('text')
            .toString(),
        ).toBe(text)
        expect(await each.claims('a')).toHaveLength(1)
        expect(await Array.fromAsync(each.check())).toEqual([])
        expect(await readAll(each, 'b')).toHaveLength(30)
      }
      expect(await log.append([new Typist('a', 2).type('more')])).toEqual([2_301])
      expect(await readAll(log, 'a', 1_900)).toHaveLength(401)
    })

    test('are found where there are a hundred, by time; those behind a snapshot, which is made where it is worth it', async () => {
      const log = await openIn(await makeFolder())
      const at = (document: string, count: number) =>
        typedRows(document, count).map((row, index) => ({ ...row, at: index + 1 }))
      await log.append([...at('a', 150), ...at('b', 99), ...at('c', 100)])
      expect(await log.retention.unpacked({ before: 100, limit: 9 })).toEqual({ documents: [], next: undefined })
      expect(await log.retention.unpacked({ before: 101, limit: 9 })).toEqual({
        documents: ['a', 'c'],
        next: undefined,
      })
      expect(await log.retention.unpacked({ before: 101, limit: 1 })).toEqual({ documents: ['a'], next: 'a' })
      await log.delete('c', { at: 1, by: 'mia' })
      expect(await log.retention.pack('unknown', 9)).toBe(0)
      expect(await log.retention.pack('a', 0)).toBe(0)
      expect(await log.retention.pack('a', 120)).toBe(120)
      expect((await log.load('a')).snapshot).toBe(150)
      expect(await log.retention.pack('a', 135)).toBe(0) // too few
      expect(await log.retention.pack('a', 999)).toBe(30)
      expect(await readAll(log, 'a')).toHaveLength(150)
      expect(await log.retention.unpacked({ before: 999, limit: 9 })).toEqual({ documents: [], next: undefined })
      expect(await log.retention.forgettable({ before: 2, limit: 9 })).toEqual({
        documents: ['a', 'b'],
        next: undefined,
      })
    })

    test('are forgotten as others are, also from the middle of a pack on, and erased', async () => {
      const log = await openTyped(1_600)
      const rows = await readAll(log, 'a')
      await log.compact('a')
      await log.retention.pack('a', 1_600)
      for (const until of [300, 700, 1_300]) {
        expect(await log.retention.forget('a', until)).toBe(until)
        expect(await readAll(log, 'a', until)).toEqual(rows.slice(until))
        await expect(readAll(log, 'a', until - 1)).rejects.toMatchObject({ code: 'history/forgotten' })
        expect(await Array.fromAsync(log.check())).toEqual([])
        expect(await log.retention.historyBase('a')).toMatchObject({ position: until, at: rows[until - 1]?.at })
        // Nor is anything of it left in a pack.
        expect(await log.retention.forgettable({ before: 0, limit: 9 })).toEqual({ documents: [], next: undefined })
      }
      await log.delete('a', { at: 1, by: 'mia' })
      expect(await log.erase('a')).toBe(true)
      expect(await log.free('a')).toBe(true)
      expect(await Array.fromAsync(log.check())).toEqual([])
    })

    test('[promise 4] by two at once, while others append, compact and forget, are all there once', async () => {
      const folder = await makeFolder()
      const log = await openTyped(1_200, folder)
      const other = await openIn(folder)
      const rows = await readAll(log, 'a')
      await log.compact('a')
      const typist = new Typist('a', 2)
      await Promise.all([
        log.retention.pack('a', 1_200),
        other.retention.pack('a', 1_200),
        other.retention.forget('a', 130),
        log.compact('a'),
        ...Array.from({ length: 10 }, () => log.append([typist.type('x')])),
      ])
      for (const each of [log, other]) {
        expect((await readAll(each, 'a', 130)).slice(0, 1_070)).toEqual(rows.slice(130))
        expect(await readAll(each, 'a', 1_200)).toHaveLength(10)
        expect(await Array.fromAsync(each.check())).toEqual([])
      }
    })
  })
}
