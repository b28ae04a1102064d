import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measureChat } from './chat.ts'
import { measureCluster } from './cluster.ts'
import { measureConnect } from './connect.ts'
import { measureFanOut, measurePresence } from './crowd.ts'
import { measureFlood } from './flood.ts'
import { measureIdle } from './idle.ts'
import { measureLarge } from './large.ts'
import { measureMemory } from './memory.ts'
import { measureNotify } from './notify.ts'
import { measureOpen } from './open.ts'
import { profileInto } from './peers.ts'
import { describeMachine, type Row, tableOf, withSection } from './results.ts'
import { measureStorm } from './storm.ts'
import { measureTogether } from './together.ts'
import { measureWrites } from './writes.ts'

/**
 * `npm run bench [-- <part> …]`: measures all parts, or these, and puts their tables into RESULTS.md. With
 * `--cpu-prof=<folder>` a profile of each server is written there.
 */
const parts: Readonly<Record<string, (log: (line: string) => void) => Promise<Row[]>>> = {
  writes: measureWrites,
  connect: measureConnect,
  idle: measureIdle,
  together: measureTogether,
  'fan-out': measureFanOut,
  presence: measurePresence,
  open: measureOpen,
  large: measureLarge,
  memory: measureMemory,
  chat: measureChat,
  notify: measureNotify,
  storm: measureStorm,
  cluster: measureCluster,
  flood: measureFlood,
}

const HEAD = `# Measurements

Made by \`npm run bench\`: each part in one run, the peers in turn; each figure is a median. Coweave acknowledges an update
after its fsync; stock Hocuspocus acknowledges from memory and stores later. What Coweave is compared with is stock
Hocuspocus 4.7 with its SQLite extension, unless the measure says otherwise.
`

const names = Object.keys(parts)
const { values, positionals } = parseArgs({ options: { 'cpu-prof': { type: 'string' } }, allowPositionals: true })
const wanted = positionals.length > 0 ? positionals : names
const log = (line: string) => process.stderr.write(`${line}\n`)
const file = fileURLToPath(new URL('RESULTS.md', import.meta.url))
profileInto(values['cpu-prof'])
for (const name of wanted) {
  const part = parts[name]
  if (part === undefined) throw new Error(`there is no part "${name}": ${names.join(', ')}`)
  const rows = await part(log)
  if (rows.length === 0) continue
  const table = tableOf(rows)
  process.stdout.write(`${table}\n`)
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const day = new Date().toISOString().slice(0, 10)
  writeFileSync(file, `${HEAD}\n${withSection(before, names, name, `${describeMachine()}, ${day}.\n\n${table}`)}`)
}
