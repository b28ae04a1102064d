// Opens the log at argv[2], says so, and packs the rows of the document argv[3].
import { openLog } from '../../../persistence/open-log.ts'

const [, , url = '', document = ''] = process.argv
const log = await openLog({ url, create: false, onProblem: console.error })
console.log('opened')
await log.retention.pack(document, Number.MAX_SAFE_INTEGER)
await log.close()
