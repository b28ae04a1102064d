import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { NewRestriction, Restriction } from '../../persistence/admin-store.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { Restrictions } from '../../server/admin/restrictions.ts'
import { makeFolder } from '../persistence/folder.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { openRelay } from './relays.ts'

const NEVER_MS = 2 ** 31 - 1
const FAR = Date.now() + 3_600_000

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

function restriction(kind: NewRestriction['kind'], fields: Partial<NewRestriction> = {}): NewRestriction {
  return { kind, user: 'ann', document: '', at: Date.now(), until: FAR, by: 'root', ...fields }
}

/** As on an instance of its own, which never asks the database by itself. */
async function openOn(file: string) {
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  const { relay } = openRelay(redis.url)
  await vi.waitFor(() => expect(relay.isUp).toBe(true), { timeout: 20_000 })
  const kicks: Restriction[] = []
  const restrictions = await Restrictions.open({
    store: log.admin,
    relay,
    logger: pino({ level: 'silent' }),
    onKick: (kick) => void kicks.push(kick),
    onRevoked() {},
    pollMs: NEVER_MS,
  })
  onTestFinished(() => restrictions.close())
  return { restrictions, kicks }
}

test('what an admin decides on one instance the others hear through Redis', async () => {
  const file = join(await makeFolder(), 'log.db')
  const [here, there] = [await openOn(file), await openOn(file)]
  await here.restrictions.add(restriction('mute', { document: 'notes/a' }))
  await here.restrictions.add(restriction('kick', { until: 0 }))
  await here.restrictions.add(restriction('kick', { user: 'bob', until: 0 }))
  await here.restrictions.add(restriction('revocation', { user: 'bob', at: 10_500, until: undefined }))
  await vi.waitFor(() => expect(there.restrictions.isRevoked({ user: 'bob' })).toBe(true))
  for (const { restrictions, kicks } of [here, there]) {
    expect(kicks.map(({ user }) => user)).toEqual(['ann', 'bob'])
    expect(
      ['notes/a', 'chat/notes/a', 'chat/notes/a@2', 'notes/b'].map((name) => restrictions.isMuted('ann', name)),
    ).toEqual([true, true, true, false])
    expect(restrictions.isMuted('bob', 'notes/a')).toBe(false)
    // In the second of the revocation, nobody can tell.
    const issued = [9_000, 10_000, 10_999, 11_000, undefined]
    expect(issued.map((issuedAt) => restrictions.isRevoked({ user: 'bob', issuedAt }))).toEqual([
      true,
      true,
      true,
      false,
      true,
    ])
    expect(restrictions.isRevoked({ user: 'ann' })).toBe(false)
    expect(restrictions.standing.map(({ kind, user }) => [kind, user])).toEqual([
      ['mute', 'ann'],
      ['revocation', 'bob'],
    ])
  }

  // Who begins later knows all, and sends nobody away again.
  const later = await openOn(file)
  expect(later.restrictions.isMuted('ann', 'notes/a')).toBe(true)
  expect(later.kicks).toEqual([])

  // What was taken back or is over holds no longer; a mute of all documents leaves own ones alone.
  await there.restrictions.add(restriction('revocation', { user: 'bob', until: Date.now() }))
  await there.restrictions.add(restriction('mute', { document: 'notes/a', until: Date.now() }))
  await there.restrictions.add(restriction('mute', { document: 'dm/ann,bob' }))
  await vi.waitFor(() => expect(here.restrictions.isMuted('ann', 'dm/ann,bob@1')).toBe(true))
  expect(here.restrictions.isRevoked({ user: 'bob' })).toBe(false)
  expect(here.restrictions.isMuted('ann', 'notes/a')).toBe(false)
  await there.restrictions.add(restriction('mute'))
  await vi.waitFor(() => expect(here.restrictions.isMuted('ann', 'notes/a')).toBe(true))
  expect(['inbox/ann', 'lobby/all'].map((name) => here.restrictions.isMuted('ann', name))).toEqual([false, false])
  vi.useFakeTimers({ now: FAR, toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  expect(here.restrictions.isMuted('ann', 'notes/a')).toBe(false)
  expect(here.restrictions.standing).toEqual([])
})
