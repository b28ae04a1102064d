// Opens the log at argv[2]; appends an update of 10 kB for each line on stdin, and answers with its position or the
// code of the error.
import { createInterface } from 'node:readline'
import { openSqliteLog } from '../../../persistence/sqlite/sqlite-log.ts'

const [, , file = ''] = process.argv
const log = await openSqliteLog({ file })
process.stdout.write('ready\n')
for await (const line of createInterface(process.stdin)) {
  const data = Buffer.alloc(10_000, line)
  const appended = log.append([{ document: 'a', at: 1, author: 'ann', data, clients: [] }])
  const answer = await appended.then(String, (error: unknown) =>
    error instanceof Error && 'code' in error ? String(error.code) : String(error),
  )
  process.stdout.write(`${answer}\n`)
}
await log.close()
