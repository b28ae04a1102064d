import { join } from 'node:path'
import { Hocuspocus } from '@hocuspocus/server'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { Durability } from '../../server/documents/durability.ts'
import { Resets } from '../../server/documents/resets.ts'
import { History } from '../../server/history/history.ts'
import { historyThreads } from '../../server/history/history-threads.ts'
import { makeFolder } from '../persistence/folder.ts'
import { Typist } from '../persistence/updates.ts'

/** So often somebody else writes right before the reset does. */
const RACES = 12

test('a document is reset although somebody writes at nearly every moment', async () => {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  const threads = historyThreads(() => {})
  const typist = new Typist('spoilt')
  await log.append([typist.type('good')])
  let races = 0
  const contested: UpdateLog = new Proxy(log, {
    get(target, name) {
      if (name === 'append') {
        return async (batch: Parameters<UpdateLog['append']>[0]) => {
          races += 1
          if (races <= RACES) await target.append([typist.type('poison')])
          return target.append(batch)
        }
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const onLost = () => expect.unreachable('storage is there')
  const durability = new Durability(log, { commitTimeoutMs: 60_000, onFailure: onLost, onLost, onRecovered() {} })
  onTestFinished(async () => {
    durability.close()
    await Promise.all([log.close(), threads.close()])
  })
  const history = new History({ log, threads, maxBytes: 2 ** 20 })
  const hocuspocus = new Hocuspocus({ quiet: true })
  let sentAway = 0
  const onReset = () => {
    sentAway += 1
  }
  const resets = new Resets({ log: contested, durability, history, hocuspocus, onReset, tell() {} })
  const { before, position } = await resets.reset('spoilt', 'mia', 1)
  expect([before, position]).toEqual([1 + RACES, 3 + RACES])
  expect(await log.epoch('spoilt')).toBe(position)
  expect(sentAway, 'whoever writes here is sent away after some attempts').toBeGreaterThan(RACES / 2)
})
