import { basename } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { openPostgresLog } from '../../persistence/postgres/postgres-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { describeMessageSearch } from '../persistence/message-search-contract.ts'
import { describePushStore } from '../persistence/push-store-contract.ts'
import { describeUpdateLog } from '../persistence/update-log-contract.ts'
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
async function open(folder: string, keys?: typeof encryption): Promise<UpdateLog> {
  const url = databases.get(folder) ?? postgres.createDatabase(basename(folder))
  databases.set(folder, url)
  return await openPostgresLog({ url: await url, encryption: keys })
}

describeUpdateLog('Postgres', (folder) => open(folder))
// What encryption changes stands above the database: SQLite's tests show it each time.
if (isSoak) describeUpdateLog('Postgres, encrypted', (folder) => open(folder, encryption))
describeMessageSearch('Postgres', (folder) => open(folder))
describePushStore('Postgres', (folder) => open(folder))
