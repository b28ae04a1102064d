import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../../persistence/migrate.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { actionOf, describeAdminStore, restrictionOf } from './admin-store-contract.ts'
import { makeFolder } from './folder.ts'

describeAdminStore('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))

test('damaged actions and restrictions are found and named', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  const changes = [`admin = 'eve'`, 'at = 2', `action = 'kick'`, `subject = ''`, 'outcome = NULL', `detail = ''`]
  for (const change of changes) await log.admin.end(await log.admin.begin(actionOf(change)), 'done')
  await log.admin.restrict(restrictionOf('bob'))
  const db = new Database(file)
  for (const change of changes) db.prepare(`UPDATE admin_actions SET ${change} WHERE admin = ?`).run(change)
  db.exec('UPDATE restrictions SET until = 1')
  db.close()
  const problems = changes.map((_, index) => `bad checksum of the admins' action ${index + 1}`)
  expect((await Array.fromAsync(log.check())).map(({ problem }) => problem)).toEqual([
    ...problems,
    'bad checksum of the restriction of bob in ""',
  ])
  await expect(log.admin.actions({ limit: 9 })).rejects.toMatchObject({ code: 'storage/corrupt' })
  await expect(log.admin.restrictions({ after: 0 })).rejects.toMatchObject({ code: 'storage/corrupt' })
})

test('a migration takes them along, and refuses a target that has others', async () => {
  const open = async () => {
    const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
    onTestFinished(() => log.close())
    return log
  }
  const [source, target, other] = [await open(), await open(), await open()]
  for (const admin of ['root', 'ann']) await source.admin.begin(actionOf(admin))
  await source.admin.end(1, 'done')
  for (const user of ['bob', 'cyd', 'bob']) await source.admin.restrict(restrictionOf(user))
  for (let time = 0; time < 2; time++) await migrate(source, target)
  expect(await target.admin.actions({ limit: 9 })).toEqual(await source.admin.actions({ limit: 9 }))
  expect((await target.admin.restrictions({ after: 0 })).map(({ user }) => user)).toEqual(['cyd', 'bob'])
  await other.admin.restrict(restrictionOf('dan'))
  await expect(migrate(source, other)).rejects.toMatchObject({ code: 'migrate/not-empty' })
})
