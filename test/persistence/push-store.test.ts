import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { isSoak } from '../support/random.ts'
import { makeFolder } from './folder.ts'
import { describePushStore } from './push-store-contract.ts'
import { archived, update } from './updates.ts'

const encryption = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

describePushStore('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
// Whether what is stored is encrypted is tested below; the rest is the same.
if (isSoak)
  describePushStore('SQLite, encrypted', (folder) => openSqliteLog({ file: join(folder, 'log.db'), encryption }))

const wanted = {
  room: 'inbox/ann',
  at: 1,
  subscription: { endpoint: 'https://push.example/an-endpoint-to-hide', p256dh: 'a-key', auth: 'a-secret-to-hide' },
}

test.each([
  ['stand', undefined, true],
  ['do not stand', encryption, false],
])('endpoints and keys %s readable in the database with encryption %o', async (_words, keys, isReadable) => {
  const folder = await makeFolder()
  const log = await openSqliteLog({ file: join(folder, 'log.db'), encryption: keys })
  await log.pushes.subscribe(wanted, { max: 1 })
  await log.close()
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'latin1')))
  const text = files.join('')
  for (const secret of ['an-endpoint-to-hide', 'a-secret-to-hide']) expect(text.includes(secret)).toBe(isReadable)
})

test('what can not be read any more is claimed without content, beside what can', async () => {
  const file = join(await makeFolder(), 'log.db')
  const log = await openSqliteLog({ file, encryption })
  onTestFinished(() => log.close())
  for (const name of ['one', 'two']) {
    const subscription = { ...wanted.subscription, endpoint: `https://push.example/${name}` }
    await log.pushes.subscribe({ ...wanted, subscription }, { max: 2 })
  }
  await log.append([update('inbox/ann', '', { messages: [archived('inbox/ann', 1, 'hello')], pushAt: 5 })])
  const { default: Database } = await import('better-sqlite3')
  const db = new Database(file)
  db.prepare(`UPDATE push_subscriptions SET data = x'00' WHERE id = (SELECT min(id) FROM push_subscriptions)`).run()
  db.close()
  const claimed = await log.pushes.claim({ now: 10, until: 20, limit: 9 })
  expect(claimed.map(({ content }) => content?.json !== undefined).toSorted()).toEqual([false, true])
})
