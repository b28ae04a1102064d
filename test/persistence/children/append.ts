// Appends to the log that the URL argv[2] names as argv[3], and says on stdout what was acknowledged: a line of JSON a batch.
import { openLog } from '../../../persistence/open-log.ts'
import type { NewUpdate } from '../../../persistence/update-log.ts'

const [, , url = '', name = '', batches = 'Infinity'] = process.argv
const log = await openLog({ url, create: true, onProblem: () => {} }) // what is acknowledged is what counts
for (let batch = 0; batch < Number(batches); batch++) {
  const updates = Array.from({ length: 1 + (batch % 7) }, (_, index): NewUpdate => {
    const data = Buffer.from(`${name}:${batch}:${index}`)
    return { document: `shared/${index % 3}`, at: Date.now(), author: name, data, clients: [] }
  })
  const positions = await log.append(updates)
  const acknowledged = updates.map((update, index) => [update.document, positions[index], update.data.toString()])
  // Synchronous when stdout is a pipe: what has been said has left this process.
  process.stdout.write(`${JSON.stringify(acknowledged)}\n`)
}
await log.close()
