import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { measureChat } from './chat.ts'
import { measureCluster } from './cluster.ts'
import { measureFlood } from './flood.ts'
import { measureNotify } from './notify.ts'
import { measureOpen } from './open.ts'
import { describeMachine, type Row, tableOf } from './results.ts'
import { measureStorm } from './storm.ts'
import { measureWrites } from './writes.ts'

/** `npm run bench [-- <part> …]`: measures, prints a table, and writes it to RESULTS.md when all parts ran. */
const parts: Readonly<Record<string, (log: (line: string) => void) => Promise<Row[]>>> = {
  writes: measureWrites,
  open: measureOpen,
  chat: measureChat,
  notify: measureNotify,
  storm: measureStorm,
  cluster: measureCluster,
  flood: measureFlood,
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts)
const log = (line: string) => process.stderr.write(`${line}\n`)
const rows: Row[] = []
for (const name of wanted) {
  const part = parts[name]
  if (part === undefined) throw new Error(`there is no part "${name}": ${Object.keys(parts).join(', ')}`)
  rows.push(...(await part(log)))
}

const results = `# Measurements

${describeMachine()}. Made by \`npm run bench\`, in one run, the peers in turn; each figure is a median.
Coweave acknowledges an update after its fsync; stock Hocuspocus acknowledges from memory and stores later.

${tableOf(rows)}
`
process.stdout.write(results)
if (wanted.length === Object.keys(parts).length) {
  writeFileSync(fileURLToPath(new URL('RESULTS.md', import.meta.url)), results)
}
