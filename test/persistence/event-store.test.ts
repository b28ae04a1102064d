import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { isSoak } from '../support/random.ts'
import { describeEventStore } from './event-store-contract.ts'
import { makeFolder } from './folder.ts'
import { describeUntold } from './untold-contract.ts'
import { update } from './updates.ts'
import { storeDeliveries, WEBHOOK_DAMAGES } from './webhook-damages.ts'
import { describeWebhookStore } from './webhook-store-contract.ts'

const encryption = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

describeEventStore('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
describeUntold('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
describeWebhookStore('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
// Whether what is stored is encrypted is tested below; the rest is the same.
if (isSoak)
  describeEventStore('SQLite, encrypted', (folder) => openSqliteLog({ file: join(folder, 'log.db'), encryption }))

const secret = { id: '1', kind: 'k', at: 1, document: 'chat/a', users: ['somebody-to-hide'], json: '{"a":"hidden"}' }

test.each([
  ['stands', undefined, true],
  ['does not stand', encryption, false],
])('what an event tells %s readable in the database with encryption %o', async (_words, keys, isReadable) => {
  const folder = await makeFolder()
  const file = join(folder, 'log.db')
  const log = await openSqliteLog({ file, encryption: keys })
  await log.append([update('chat/a', 'x', { events: [secret] })])
  expect(await log.events.read({ after: 0, limit: 1 })).toEqual([{ number: 1, ...secret }])
  await log.close()
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'latin1')))
  for (const text of ['somebody-to-hide', 'hidden']) expect(files.join('').includes(text)).toBe(isReadable)
})

test('damaged events are found and named', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  const changes = [`data = x'7b7d'`, 'at = 2', `document = 'chat/b'`, `kind = 'other'`]
  const events = ['0', ...changes].map((id) => ({ ...secret, id }))
  await log.append([update('chat/a', '', { data: Uint8Array.of(0, 0), events })])
  const { default: Database } = await import('better-sqlite3')
  const db = new Database(file)
  for (const change of changes) db.prepare(`UPDATE events SET ${change} WHERE id = ?`).run(change)
  db.close()
  const problems = changes.map((_, index) => `bad checksum of event ${index + 2}`)
  expect((await Array.fromAsync(log.check())).map(({ problem }) => problem)).toEqual(problems)
})

test('in the place of a damaged event comes one that says so, and those beside it are read', async () => {
  const file = join(await makeFolder(), 'log.db')
  const told: string[] = []
  const log = await openSqliteLog({ file, onProblem: ({ message }) => told.push(message) })
  onTestFinished(() => log.close())
  await log.append([update('chat/a', 'x', { events: ['0', '1', '2'].map((id) => ({ ...secret, id })) })])
  const { default: Database } = await import('better-sqlite3')
  const db = new Database(file)
  db.exec(`UPDATE events SET data = x'7b7d' WHERE number = 2`)
  db.close()
  const [first, second, third, ...more] = await log.events.read({ after: 0, limit: 9, kind: 'k' })
  expect([first, third, more]).toEqual([{ number: 1, ...secret, id: '0' }, { number: 3, ...secret, id: '2' }, []])
  const problem = 'bad checksum of event 2'
  expect(second).toMatchObject({ number: 2, kind: 'event.damaged', users: [], json: JSON.stringify({ problem }) })
  expect(told).toEqual([problem])
})

test('damaged webhooks, and deliveries that nobody would post, are found and named', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  await storeDeliveries(log)
  expect(await Array.fromAsync(log.check())).toEqual([])
  const { default: Database } = await import('better-sqlite3')
  const db = new Database(file)
  for (const { sql } of WEBHOOK_DAMAGES) expect(db.prepare(sql).run().changes).toBe(1)
  db.close()
  const problems = (await Array.fromAsync(log.check())).map(({ problem }) => problem)
  expect(problems).toEqual(WEBHOOK_DAMAGES.map(({ problem }) => problem))
})
