// Opens the log at argv[2] and compacts the document argv[3].
import { openSqliteLog } from '../../../persistence/sqlite/sqlite-log.ts'

const [, , file = '', document = ''] = process.argv
const log = await openSqliteLog({ file })
await log.compact(document)
await log.close()
