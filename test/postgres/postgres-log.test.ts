import { basename } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import type { PortableLog } from '../../persistence/portable-log.ts'
import { openPostgresLog } from '../../persistence/postgres/postgres-log.ts'
import { describeAdminStore } from '../persistence/admin-store-contract.ts'
import { describeEventStore } from '../persistence/event-store-contract.ts'
import { describeMessageSearch } from '../persistence/message-search-contract.ts'
import { describePeopleStore } from '../persistence/people-store-contract.ts'
import { describePushStore } from '../persistence/push-store-contract.ts'
import { expectReindexed } from '../persistence/reindexing.ts'
import { describeReset } from '../persistence/reset-contract.ts'
import { describeSeenStore } from '../persistence/seen-store-contract.ts'
import { describeTextIndex } from '../persistence/text-index-contract.ts'
import { describeUntold } from '../persistence/untold-contract.ts'
import { describeUpdateLog } from '../persistence/update-log-contract.ts'
import { update } from '../persistence/updates.ts'
import { describeVersionStore } from '../persistence/version-store-contract.ts'
import { describeWebhookStore } from '../persistence/webhook-store-contract.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { isSoak } from '../support/random.ts'

const encryption = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

/** A database for each folder that a test makes. */
const databases = new Map<string, Promise<string>>()
async function open(folder: string, keys?: typeof encryption): Promise<PortableLog> {
  const url = databases.get(folder) ?? postgres.createDatabase(basename(folder))
  databases.set(folder, url)
  return await openPostgresLog({ url: await url, encryption: keys })
}

describeUpdateLog('Postgres', (folder) => open(folder))
// What encryption changes stands above the database: SQLite's tests show it each time.
if (isSoak) describeUpdateLog('Postgres, encrypted', (folder) => open(folder, encryption))
describeReset('Postgres', (folder) => open(folder))
describeVersionStore('Postgres', (folder) => open(folder))
describeSeenStore('Postgres', (folder) => open(folder))
describeMessageSearch('Postgres', (folder) => open(folder))
describeTextIndex('Postgres', (folder) => open(folder))
describePushStore('Postgres', (folder) => open(folder))
describeEventStore('Postgres', (folder) => open(folder))
describeAdminStore('Postgres', (folder) => open(folder))
describeUntold('Postgres', (folder) => open(folder))
describeWebhookStore('Postgres', (folder) => open(folder))
describePeopleStore('Postgres', (folder) => open(folder, encryption))

test('coweave reindex finds everything again, whatever the words were damaged to', async () => {
  const url = await postgres.createDatabase()
  const log = await openPostgresLog({ url })
  onTestFinished(() => log.close())
  await expectReindexed({
    log,
    place: url,
    async damage() {
      await postgres.query(url, `UPDATE coweave.messages SET words = 'else:1'`)
      await postgres.query(url, `UPDATE coweave.texts SET text = 'else', words = 'else:1'`)
    },
  })
})

test('no event appears behind one that was read, also where the commit of an earlier one is held up', async () => {
  const url = await postgres.createDatabase()
  const logs = [await openPostgresLog({ url }), await openPostgresLog({ url })]
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  onTestFinished(async () => {
    await other.end()
    await Promise.all(logs.map((log) => log.close()))
  })
  const waiting = async () => {
    const sql = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
    return (await postgres.query(url, sql)).length
  }
  // Whoever stores the event of this id now waits whether it is taken, with its number given.
  await other.query(`BEGIN; INSERT INTO coweave.events VALUES (-1, 'first', 'k', 1, '', NULL, '', 0)`)
  const event = { kind: 'k', at: 1, document: '', users: [], json: '{}' }
  const store = (nth: number, id: string) => logs[nth]?.append([update(id, 'x', { events: [{ id, ...event }] })])
  const first = store(0, 'first')
  await expect.poll(waiting).toBe(1)
  let isStored = false
  const second = store(1, 'second')?.then(() => {
    isStored = true
  })
  await expect.poll(async () => isStored || (await waiting()) === 2).toBe(true)
  const read = async (after: number) => (await logs[0]?.events.read({ after, limit: 9 })) ?? []
  const seen = await read(0)
  await other.query('ROLLBACK')
  await Promise.all([first, second])
  const rest = await read(seen.at(-1)?.number ?? 0)
  expect([...seen, ...rest].map(({ id }) => id)).toEqual(['first', 'second'])
})
