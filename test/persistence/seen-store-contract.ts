import { describe, expect, onTestFinished, test } from 'vitest'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { update } from './updates.ts'

/** What every update log promises of what users have seen. */
export function describeSeenStore(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openWith(rows: number, folder?: string): Promise<UpdateLog> {
    const log = await open(folder ?? (await makeFolder()))
    onTestFinished(() => log.close())
    await log.append(Array.from({ length: rows }, (_, index) => update('a', String(index))))
    return log
  }

  describe(`${name}: what users have seen`, () => {
    test('[promise 1] only grows, for each user and document, also when opened again', async () => {
      const folder = await makeFolder()
      const log = await openWith(3, folder)
      await log.append([update('b', '1')])
      await log.seen.raise('a', [
        { user: 'ann', position: 2, at: 10 },
        { user: 'bob \u0000', position: 1, at: 11 },
      ])
      await log.seen.raise('a', [{ user: 'ann', position: 1, at: 12 }])
      await log.seen.raise('a', [{ user: 'bob \u0000', position: 3, at: 13 }])
      await log.seen.raise('b', [{ user: 'ann', position: 1, at: 14 }])
      await log.seen.raise('unknown', [{ user: 'ann', position: 0, at: 15 }])
      for (const each of [log, await openWith(0, folder)]) {
        expect(await each.seen.find('a', 'ann')).toEqual({ user: 'ann', position: 2, at: 10 })
        expect(await each.seen.find('a', 'bob \u0000')).toEqual({ user: 'bob \u0000', position: 3, at: 13 })
        expect(await each.seen.find('b', 'ann')).toEqual({ user: 'ann', position: 1, at: 14 })
        expect(await each.seen.find('b', 'bob')).toBeUndefined()
        expect(await each.seen.find('unknown', 'ann')).toBeUndefined()
      }
    })

    test('can be told by two at once', async () => {
      const folder = await makeFolder()
      const logs = [await openWith(50, folder), await openWith(0, folder)]
      const users = ['ann', 'bob', 'cleo']
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => {
          const seen = users.map((user) => ({ user, position: index + 1, at: index + 1 }))
          return logs[index % 2]?.seen.raise('a', index % 3 === 0 ? seen.toReversed() : seen)
        }),
      )
      for (const user of users) expect(await logs[0]?.seen.find('a', user)).toEqual({ user, position: 50, at: 50 })
    })
  })
}
