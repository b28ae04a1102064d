import { describe, expect, onTestFinished, test } from 'vitest'
import type { NamedVersion } from '../../model/history.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { update } from './updates.ts'

export function namedVersion(id: string, position: number, fields: Partial<NamedVersion> = {}): NamedVersion {
  return { id, position, name: `version ${id}`, author: 'ann', at: 1_700_000_000_000, ...fields }
}

/** What every update log promises of named positions. */
export function describeVersionStore(name: string, open: (folder: string) => Promise<UpdateLog>): void {
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
      for (const version of versions.toReversed()) expect(await log.versions.add('a', version)).toBe(true)
      expect(await log.versions.list('a')).toEqual(versions)
      expect(await log.versions.list('b')).toEqual([])
      expect(await (await openWith(0, folder)).versions.list('a')).toEqual(versions)
    })

    test('are those of positions that there are', async () => {
      const log = await openWith(2)
      expect(await log.versions.add('a', namedVersion('x', 3))).toBe(false)
      expect(await log.versions.add('unknown', namedVersion('x', 0))).toBe(false)
      expect(await log.versions.list('a')).toEqual([])
    })

    test('are replaced, renamed and removed by their id', async () => {
      const log = await openWith(2)
      await log.append([update('b', '1')])
      for (const id of ['x', 'y']) await log.versions.add('a', namedVersion(id, 1))
      await log.versions.add('b', namedVersion('x', 1))
      await log.versions.add('a', namedVersion('y', 2, { name: 'again' }))
      expect(await log.versions.rename('a', 'x', 'renamed')).toBe(true)
      expect(await log.versions.list('a')).toEqual([
        namedVersion('y', 2, { name: 'again' }),
        namedVersion('x', 1, { name: 'renamed' }),
      ])
      expect(await log.versions.remove('a', 'y')).toBe(true)
      for (const [document, id] of [
        ['a', 'y'],
        ['unknown', 'x'],
      ] as const) {
        expect(await log.versions.rename(document, id, 'never')).toBe(false)
        expect(await log.versions.remove(document, id)).toBe(false)
      }
      expect(await log.versions.list('a')).toEqual([namedVersion('x', 1, { name: 'renamed' })])
      expect(await log.versions.list('b')).toEqual([namedVersion('x', 1)])
      expect(await Array.fromAsync(log.check())).not.toContainEqual(expect.objectContaining({ position: undefined }))
    })
  })
}
