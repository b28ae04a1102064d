// Stamps argv[4] messages in each of two rooms of the log that the URL argv[2] names, as argv[3], in documents of its
// own. Says on stdout what was stored: a line of JSON, room and id, a message.
import { openLog } from '../../../persistence/open-log.ts'
import { stamp } from '../updates.ts'

const [, , url = '', name = '', count = 'Infinity'] = process.argv
const log = await openLog({ url, create: true, onProblem: () => {} })
const stored = new Map([
  ['chat/a', 0],
  ['chat/b', 0],
])
for (let turn = 0; ; turn++) {
  const open = [...stored].filter(([, done]) => done < Number(count))
  if (open.length === 0) break
  const stamps = await Promise.all(
    open.map(async ([room, done]) => {
      const [last] = await log.messages.list(room, { limit: 1 })
      return stamp(room, last?.seq ?? 0, `${name}/${done}`, { document: `${room}@${name}` })
    }),
  )
  // Not in the same order each time, so that whoever locked as they come would wait for another in a circle.
  const batch = turn % 2 === 0 ? stamps : stamps.toReversed()
  const positions = await log.append(batch)
  batch.forEach(({ expects, messages }, index) => {
    if (positions[index] === 0 || expects === undefined || !('room' in expects)) return
    stored.set(expects.room, (stored.get(expects.room) ?? 0) + 1)
    process.stdout.write(`${JSON.stringify([expects.room, messages?.[0]?.id])}\n`)
  })
}
await log.close()
