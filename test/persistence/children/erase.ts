// Opens the log at argv[2], says so, and erases the document argv[3].
import { openLog } from '../../../persistence/open-log.ts'

const [, , url = '', document = ''] = process.argv
const log = await openLog({ url, create: false, onProblem: console.error })
console.log('opened')
await log.erase(document)
await log.close()
