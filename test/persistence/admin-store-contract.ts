import { describe, expect, onTestFinished, test } from 'vitest'
import type { NewAction, NewRestriction } from '../../persistence/admin-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { Typist, update } from './updates.ts'

export function actionOf(admin: string, fields: Partial<NewAction> = {}): NewAction {
  return { at: 1_000, admin, action: 'mute', user: 'bob', document: '', detail: '5 minutes', ...fields }
}

export function restrictionOf(user: string, fields: Partial<NewRestriction> = {}): NewRestriction {
  return { kind: 'mute', user, document: '', at: 1_000, until: 2_000, by: 'root', ...fields }
}

/** What every log promises of what admins do. `open` as for describeUpdateLog(). */
export function describeAdminStore(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }

  describe(`${name}: what admins do`, () => {
    test('[promise 1] actions are there when opened again, with what became of them', async () => {
      const folder = await makeFolder()
      const log = await open(folder)
      const odd = actionOf('a\u0000d', { user: 'zoë 😀', document: 'notes/a', detail: '', at: 5 })
      const numbers = [await log.admin.begin(actionOf('root')), await log.admin.begin(odd)]
      expect(numbers).toEqual([1, 2])
      await log.admin.end(1, 'done')
      await log.admin.end(1, 'something else')
      await log.admin.end(99, 'of none')
      await log.close()
      const again = await openIn(folder)
      expect(await again.admin.begin(actionOf('root', { action: 'kick' }))).toBe(3)
      const [third, second, first] = await again.admin.actions({ limit: 9 })
      expect(third).toEqual({ ...actionOf('root', { action: 'kick' }), number: 3, outcome: undefined })
      expect(second).toEqual({ ...odd, number: 2, outcome: undefined })
      expect(first).toEqual({ ...actionOf('root'), number: 1, outcome: 'done' })
      expect(await again.admin.actions({ before: 3, limit: 1 })).toEqual([second])
      expect(await again.admin.actions({ before: 1, limit: 1 })).toEqual([])
      expect(await Array.fromAsync(again.check())).toEqual([])
    })

    test('actions of several processes get numbers without gaps; restored ones keep theirs', async () => {
      const folder = await makeFolder()
      const logs = [await openIn(folder), await openIn(folder)]
      const begun = await Promise.all(
        Array.from({ length: 8 }, (_, nth) => logs[nth % 2]?.admin.begin(actionOf(`admin ${nth}`))),
      )
      expect(begun.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
      const log = await openIn(await makeFolder())
      const actions = await logs[0]?.admin.actions({ limit: 9 })
      for (let time = 0; time < 2; time++) await log.admin.restore(actions ?? [])
      expect(await log.admin.actions({ limit: 9 })).toEqual(actions)
      expect(await log.admin.begin(actionOf('root'))).toBe(9)
    })

    test('of a kind, user and document there is one restriction, which comes after those before it', async () => {
      const folder = await makeFolder()
      const log = await open(folder)
      const inOne = restrictionOf('ann', { document: 'notes/a' })
      const revoked = restrictionOf('a\u0000n', { kind: 'revocation', until: undefined })
      expect(await log.admin.restrict(restrictionOf('ann'))).toBe(1)
      expect(await log.admin.restrict(inOne)).toBe(2)
      expect(await log.admin.restrict(revoked)).toBe(3)
      expect(await log.admin.restrict(restrictionOf('ann', { until: 0 }))).toBe(4)
      await log.close()
      const again = await openIn(folder)
      const all = await again.admin.restrictions({ after: 0 })
      expect(all).toEqual([
        { ...inOne, version: 2 },
        { ...revoked, version: 3 },
        { ...restrictionOf('ann', { until: 0 }), version: 4 },
      ])
      expect(await again.admin.restrictions({ after: 3 })).toEqual(all.slice(2))
      expect(await again.admin.restrictions({ after: 4 })).toEqual([])
    })

    test('figures tell what the log holds of a document', async () => {
      const log = await openIn(await makeFolder())
      expect(await log.admin.figures('notes/a')).toBeUndefined()
      const ann = new Typist('notes/a')
      const rows = [ann.type('one', 0), ann.type('two', 3), ann.type('three', 6)]
      await log.append(rows.slice(0, 2).map((row) => update('notes/a', '', { ...row, at: 7 })))
      await log.compact('notes/a')
      await log.append(rows.slice(2).map((row) => update('notes/a', '', { ...row, at: 9 })))
      const { parts } = await log.load('notes/a')
      expect(await log.admin.figures('notes/a')).toEqual({
        createdAt: 7,
        updatedAt: 9,
        position: 3,
        forgotten: 0,
        bytes: rows.reduce((sum, { data }) => sum + data.length, 0),
        snapshot: { position: 2, bytes: parts[0]?.length },
        tailBytes: rows[2]?.data.length,
        deleted: undefined,
      })
      await log.delete('notes/a', { at: 11, by: 'root' })
      expect((await log.admin.figures('notes/a'))?.deleted).toEqual({ at: 11, by: 'root', isErased: false })
    })
  })
}
