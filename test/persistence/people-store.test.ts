import { join } from 'node:path'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { isSoak } from '../support/random.ts'
import { describePeopleStore } from './people-store-contract.ts'

const encryption = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

describePeopleStore('SQLite', (folder) => openSqliteLog({ file: join(folder, 'log.db') }))
// Who wrote a row is bound to its bytes; Postgres' tests show it each time.
if (isSoak)
  describePeopleStore('SQLite, encrypted', (folder) => openSqliteLog({ file: join(folder, 'log.db'), encryption }))
