import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'
import { openLog } from '../persistence/open-log.ts'
import { parameters } from './parameters.ts'
import { coweave, temporaryFolder } from './peers.ts'
import { median, type Row } from './results.ts'
import { Writer } from './writer.ts'

const NAME = 'bench/automerge-paper'
const BATCH = 2_000

interface Trace {
  readonly endContent: string
  readonly txns: readonly { readonly patches: readonly [number, number, string][] }[]
}

/** Opening a document with a long history on a server that has just started, beside Yjs applying its snapshot. */
export async function measureOpen(log: (line: string) => void): Promise<Row[]> {
  const file = tracePath()
  if (!existsSync(file)) {
    log(`open: skipped, there is no ${file}; COWEAVE_TRACES names the folder of the traces`)
    return []
  }
  const folder = temporaryFolder()
  const snapshot = await writeHistory(folder, JSON.parse(gunzipSync(readFileSync(file)).toString()))
  const opened: number[] = []
  const floors: number[] = []
  for (let round = 0; round < parameters.open.openings; round += 1) {
    opened.push(await openCold(folder, round === parameters.open.openings - 1))
    floors.push(applySnapshot(snapshot))
    log(`open, round ${round + 1}: ${opened.at(-1)?.toFixed(1)} ms, Y.applyUpdate ${floors.at(-1)?.toFixed(1)} ms`)
  }
  return [
    {
      measure: 'cold open of automerge-paper, ms (beside Y.applyUpdate)',
      ours: median(opened),
      theirs: median(floors),
    },
  ]
}

/** Writes the trace an update an edit, as people's typing would have, and returns its snapshot. */
async function writeHistory(folder: string, trace: Trace): Promise<Uint8Array> {
  const updates = await openLog({
    url: `sqlite:${join(folder, 'coweave.db')}`,
    create: true,
    onProblem: (error) => {
      throw error
    },
  })
  const ydoc = new Y.Doc()
  const text = ydoc.getText('text')
  let batch: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => batch.push(update))
  const flush = async () => {
    const taken = batch
    batch = []
    const clients = [ydoc.clientID]
    await updates.append(taken.map((data) => ({ document: NAME, at: Date.now(), author: 'bench', data, clients })))
  }
  for (const { patches } of trace.txns) {
    ydoc.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        if (deleted > 0) text.delete(position, deleted)
        if (inserted !== '') text.insert(position, inserted)
      }
    })
    if (batch.length >= BATCH) await flush()
  }
  await flush()
  await updates.close()
  if (text.toString() !== trace.endContent) throw new Error('the replayed trace does not end in its endContent')
  return Y.encodeStateAsUpdate(ydoc)
}

async function openCold(folder: string, last: boolean): Promise<number> {
  const server = await coweave.start(folder)
  // The first document a process opens pays for code that is loaded only then.
  await opening(server.url, 'bench/another', server.token)
  const ms = await opening(server.url, NAME, server.token)
  await server.stop(last)
  return ms
}

async function opening(url: string, name: string, token: string): Promise<number> {
  const client = await Writer.connect(url, name, token, 1)
  const startedAt = performance.now()
  await client.open()
  const ms = performance.now() - startedAt
  client.close()
  return ms
}

function applySnapshot(snapshot: Uint8Array): number {
  const ydoc = new Y.Doc()
  const startedAt = performance.now()
  Y.applyUpdate(ydoc, snapshot)
  return performance.now() - startedAt
}

function tracePath(): string {
  const folder = process.env.COWEAVE_TRACES ?? fileURLToPath(new URL('../../shared/traces', import.meta.url))
  return join(folder, 'automerge-paper.json.gz')
}
