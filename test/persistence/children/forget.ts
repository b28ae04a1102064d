// Opens the log at argv[2], says so, and forgets the history of the document argv[3] up to the position argv[4].
import { openLog } from '../../../persistence/open-log.ts'

const [, , url = '', document = '', until = ''] = process.argv
const log = await openLog({ url, create: false, onProblem: console.error })
console.log('opened')
await log.retention.forget(document, Number(until))
await log.close()
