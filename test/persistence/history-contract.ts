import { describe, expect, onTestFinished, test } from 'vitest'
import type { NamedVersion } from '../../model/history.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { update } from './updates.ts'

export function namedVersion(id: string, position: number, fields: Partial<NamedVersion> = {}): NamedVersion {
  return { id, position, name: `version ${id}`, author: 'ann', at: 1_700_000_000_000, ...fields }
}

/** What every update log promises of named positions, and of what users have seen. */
export function describeHistoryTables(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openWith(rows: number, folder?: string): Promise<UpdateLog> {
    const log = await open(folder ?? (await makeFolder()))
    onTestFinished(() => log.close())
    await log.append(Array.from({ length: rows }, (_, index) => update('a', String(index))))
    return log
  }

  describe(`${name}: versions`, () => {
    test('[promise 1] are kept, the highest position first, also when opened again', async () => {
      const folder = await makeFolder()
      const log = await openWith(3, folder)
      const versions = [
        namedVersion('v3', 3, { name: 'Ünïcödé 😀 \u0000', author: 'bob \u0000' }),
        namedVersion('v2b', 2, { at: 1_700_000_000_002 }),
        namedVersion('v2a', 2, { at: 1_700_000_000_001, name: '' }),
        namedVersion('v0', 0),
      ]
      for (const version of versions.toReversed()) expect(await log.addVersion('a', version)).toBe(true)
      expect(await log.versions('a')).toEqual(versions)
      expect(await log.versions('b')).toEqual([])
      expect(await (await openWith(0, folder)).versions('a')).toEqual(versions)
    })

    test('are those of positions that there are', async () => {
      const log = await openWith(2)
      expect(await log.addVersion('a', namedVersion('x', 3))).toBe(false)
      expect(await log.addVersion('unknown', namedVersion('x', 0))).toBe(false)
      expect(await log.versions('a')).toEqual([])
    })

    test('are replaced, renamed and removed by their id', async () => {
      const log = await openWith(2)
      await log.append([update('b', '1')])
      for (const id of ['x', 'y']) await log.addVersion('a', namedVersion(id, 1))
      await log.addVersion('b', namedVersion('x', 1))
      await log.addVersion('a', namedVersion('y', 2, { name: 'again' }))
      expect(await log.renameVersion('a', 'x', 'renamed')).toBe(true)
      expect(await log.versions('a')).toEqual([
        namedVersion('y', 2, { name: 'again' }),
        namedVersion('x', 1, { name: 'renamed' }),
      ])
      expect(await log.removeVersion('a', 'y')).toBe(true)
      for (const [document, id] of [
        ['a', 'y'],
        ['unknown', 'x'],
      ] as const) {
        expect(await log.renameVersion(document, id, 'never')).toBe(false)
        expect(await log.removeVersion(document, id)).toBe(false)
      }
      expect(await log.versions('a')).toEqual([namedVersion('x', 1, { name: 'renamed' })])
      expect(await log.versions('b')).toEqual([namedVersion('x', 1)])
      expect(await Array.fromAsync(log.check())).not.toContainEqual(expect.objectContaining({ position: undefined }))
    })
  })

  describe(`${name}: what users have seen`, () => {
    test('[promise 1] only grows, for each user and document, also when opened again', async () => {
      const folder = await makeFolder()
      const log = await openWith(3, folder)
      await log.append([update('b', '1')])
      await log.setSeen('a', [
        { user: 'ann', position: 2, at: 10 },
        { user: 'bob \u0000', position: 1, at: 11 },
      ])
      await log.setSeen('a', [{ user: 'ann', position: 1, at: 12 }])
      await log.setSeen('a', [{ user: 'bob \u0000', position: 3, at: 13 }])
      await log.setSeen('b', [{ user: 'ann', position: 1, at: 14 }])
      await log.setSeen('unknown', [{ user: 'ann', position: 0, at: 15 }])
      for (const each of [log, await openWith(0, folder)]) {
        expect(await each.seen('a', 'ann')).toEqual({ user: 'ann', position: 2, at: 10 })
        expect(await each.seen('a', 'bob \u0000')).toEqual({ user: 'bob \u0000', position: 3, at: 13 })
        expect(await each.seen('b', 'ann')).toEqual({ user: 'ann', position: 1, at: 14 })
        expect(await each.seen('b', 'bob')).toBeUndefined()
        expect(await each.seen('unknown', 'ann')).toBeUndefined()
      }
    })

    test('can be told by two at once', async () => {
      const folder = await makeFolder()
      const logs = [await openWith(50, folder), await openWith(0, folder)]
      const users = ['ann', 'bob', 'cleo']
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => {
          const seen = users.map((user) => ({ user, position: index + 1, at: index + 1 }))
          return logs[index % 2]?.setSeen('a', index % 3 === 0 ? seen.toReversed() : seen)
        }),
      )
      for (const user of users) expect(await logs[0]?.seen('a', user)).toEqual({ user, position: 50, at: 50 })
    })
  })
}
