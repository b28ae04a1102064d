// Appends updates with a message each to the log at argv[2], in batches under way at once, and says how many are in.
import { openSqliteLog } from '../../../persistence/sqlite/sqlite-log.ts'
import { archived, update } from '../updates.ts'

const [, , file = '', name = ''] = process.argv
const log = await openSqliteLog({ file })
const [last] = await log.messages.list('chat/a', { limit: 1 })
let seq = last?.seq ?? 0
for (let written = 0; ; ) {
  const batches = Array.from({ length: 3 }, () => {
    const batch = Array.from({ length: 5 }, () => {
      seq += 1
      const text = `${name} ${seq}`
      return update('chat/a@1', text, { messages: [archived('chat/a', seq, text)] })
    })
    return log.append(batch)
  })
  for (const batch of batches) {
    await batch
    written += 1
    process.stdout.write(`${written}\n`)
  }
}
