import { describe, expect, onTestFinished, test } from 'vitest'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { update } from './updates.ts'

const ALWAYS = { quietSince: Number.MAX_SAFE_INTEGER, waitingSince: 0, limit: 100 }

/** What every log promises of changes that are told of once for many. `open` as for describeUpdateLog(). */
export function describeUntold(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }

  /** What the events of one kind tell, in order. */
  async function told(log: UpdateLog, kind = 'document.changed') {
    const events = await log.events.read({ after: 0, limit: 1_000, kind })
    return events.map(({ document, users, json }) => ({ document, users: users.toSorted(), ...JSON.parse(json) }))
  }

  async function untold(log: UpdateLog, options = {}): Promise<string[]> {
    return (await log.events.untold({ ...ALWAYS, ...options })).map(({ document, since }) => `${document} ${since}`)
  }

  describe(`${name}: untold changes`, () => {
    test('[promise 1] are noted with their updates, told of once, and are there when opened again', async () => {
      const folder = await makeFolder()
      const log = await open(folder)
      const by = (author: string, at: number) => ({ author, at })
      const taken = { room: 'chat/a', lastSeq: 7 }
      await log.append([
        update('notes', '1', by('ann', 10)),
        update('notes', '2', by('', 30)),
        update('plan', '1', by('bob', 20)),
        update('other', 'x', { ...by('bob', 20), expects: taken }),
        update('chat/notes', 'x', by('ann', 10)),
        update('inbox/ann', 'x', by('', 10)),
      ])
      await log.append([update('notes', '3', by('zoë\u0000', 40))])
      await log.close()
      const again = await openIn(folder)
      expect(await untold(again)).toEqual(['plan 0', 'notes 0'])
      expect(await untold(again, { quietSince: 20 })).toEqual(['plan 0'])
      expect(await untold(again, { quietSince: 0, waitingSince: 30 })).toEqual(['plan 0', 'notes 0'])
      expect(await untold(again, { limit: 1 })).toEqual(['plan 0'])
      await again.events.tellChanges(['notes', 'unknown', 'chat/notes'])
      await again.events.tellChanges(['notes'])
      expect(await told(again)).toEqual([{ document: 'notes', users: ['ann', 'zoë\u0000'], since: 0, position: 3 }])
      await again.append([update('notes', '4', by('bob', 50))])
      expect(await untold(again)).toEqual(['plan 0', 'notes 3'])
    })

    test('are each told of once by several who write and tell at the same time', async () => {
      const folder = await makeFolder()
      const logs = [await openIn(folder), await openIn(folder)]
      await Promise.all(
        logs.map(async (log, writer) => {
          for (let round = 0; round < 15; round++) {
            await log.append([update('a', `${writer} ${round}`), update('b', `${writer} ${round}`)])
            const due = await log.events.untold(ALWAYS)
            await log.events.tellChanges(due.map(({ document }) => document))
          }
        }),
      )
      const [log] = logs
      if (log === undefined) throw new Error('there is no log')
      expect(await untold(log)).toEqual([])
      const changes = await told(log)
      for (const document of ['a', 'b']) {
        const runs = changes.filter((change) => change.document === document)
        expect(runs.map(({ since }) => since)).toEqual([0, ...runs.slice(0, -1).map(({ position }) => position)])
        expect(runs.at(-1)?.position).toBe(30)
      }
    })

    test('of a deleted document are no news, and a restored one is; a deletion is told of once', async () => {
      const log = await openIn(await makeFolder())
      const event = (id: string) => ({ id, kind: 'document.deleted', at: 5, document: 'a', users: ['eve'], json: '{}' })
      await log.append([update('a', '1'), update('chat/a', '1')])
      await log.delete('a', { at: 5, by: 'eve', events: [event('first')] })
      await log.delete('a', { at: 6, by: 'eve', events: [event('again')] })
      expect((await log.events.read({ after: 0, limit: 9 })).map(({ id }) => id)).toEqual(['first'])
      expect(await untold(log)).toEqual([])
      await log.undelete('a')
      expect(await untold(log)).toEqual(['a 1'])
      await log.events.tellChanges(['a'])
      expect(await told(log)).toEqual([{ document: 'a', users: [], since: 1, position: 1 }])
    })

    test('events that no update made happen are stored once', async () => {
      const log = await openIn(await makeFolder())
      const event = { id: 'one', kind: 'user.online', at: 1, document: 'lobby/x', users: ['ann'], json: '{}' }
      await log.events.add([event])
      await log.events.add([event, { ...event, id: 'two' }])
      expect((await log.events.read({ after: 0, limit: 9 })).map(({ id }) => id)).toEqual(['one', 'two'])
    })
  })
}
