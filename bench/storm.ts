import { rmSync } from 'node:fs'
import { retryDelayMs } from '../client/back-off.ts'
import { Clients } from './clients.ts'
import { parameters } from './parameters.ts'
import { coweave, type RunningPeer, tokenFor } from './peers.ts'
import { openProvider } from './provider.ts'
import { percentile, type Row } from './results.ts'
import type { StormClient, StormOrder, StormReport, StormTimes } from './storm-clients.ts'

const { clients, clientsPerDocument, processes, downMs, bucketMs, patienceMs } = parameters.storm

/**
 * Clients of the library that one restart throws out together, each with an edit made meanwhile: when they come back,
 * beside what the waiting alone takes on a server that answers at once.
 */
export async function measureStorm(log: (line: string) => void): Promise<Row[]> {
  const before = await coweave.start()
  const groups = groupsOf(Array.from({ length: clients }, (_, index) => clientOf(index)))
  const children = groups.map(() => new Clients<StormOrder, StormReport>('storm-clients.ts'))
  let server = before
  try {
    await together(children, (child, index) =>
      child.obey({ order: 'open', url: httpUrlOf(before), clients: groups[index] ?? [] }, 'open'),
    )
    log(`storm: ${clients} clients in ${Math.ceil(clients / clientsPerDocument)} documents are open`)
    await before.kill()
    const killedAt = Date.now()
    await together(children, (child) => child.obey({ order: 'edit' }, 'edited'))
    await delay(killedAt + downMs - Date.now())
    server = await coweave.start(before.folder, Number(new URL(before.url).port))
    const backAt = Date.now()
    const reports = await together(children, (child) => child.next('synced', patienceMs))
    const times = reports.flatMap(({ times }) => times)
    const edits = await editsOn(server)
    if (times.length !== clients || edits !== clients) {
      throw new Error(`${times.length} of ${clients} clients came back, ${edits} of ${clients} edits are there`)
    }
    log(
      `storm: the server was away for ${backAt - killedAt} ms; all ${clients} clients and all ${edits} edits are back`,
    )
    return rowsOf(times, killedAt, backAt, log)
  } finally {
    for (const child of children) await child.end()
    await server.stop().catch(() => {}) // it may have been killed above
    rmSync(before.folder, { recursive: true, force: true })
  }
}

function rowsOf(times: readonly StormTimes[], killedAt: number, backAt: number, log: (line: string) => void): Row[] {
  const connected = times.map((time) => time.connected - backAt)
  const saved = times.map((time) => time.saved - backAt)
  const alone = times.map(() => waitAlone(backAt - killedAt))
  for (const line of histogram(connected)) log(line)
  const row = (what: string, pick: (values: readonly number[]) => number): Row => ({
    measure: `storm, ${clients} clients after a restart: ${what} (beside the waiting alone)`,
    ours: pick(saved),
    theirs: pick(alone),
  })
  return [
    row('p50 until synced, ms', (values) => percentile(values, 0.5)),
    row('p99 until synced, ms', (values) => percentile(values, 0.99)),
    row(`most in ${bucketMs} ms`, (values) => Math.max(...bucketsOf(values))),
  ]
}

/** When a client comes back to a server that was away for `awayMs`, if nothing but its waits took time. */
function waitAlone(awayMs: number): number {
  let at = 0
  for (let attempt = 1; at < awayMs; attempt += 1) at += retryDelayMs(attempt)
  return at - awayMs
}

function histogram(times: readonly number[]): string[] {
  return bucketsOf(times).map((count, index) => {
    const bar = '█'.repeat(Math.round((count * 200) / times.length))
    return `storm: ${String(index * bucketMs).padStart(6)} ms ${String(count).padStart(5)} ${bar}`
  })
}

function bucketsOf(times: readonly number[]): number[] {
  const buckets: number[] = Array.from({ length: Math.floor(Math.max(...times) / bucketMs) + 1 }, () => 0)
  for (const time of times) {
    const index = Math.max(0, Math.floor(time / bucketMs))
    buckets[index] = (buckets[index] ?? 0) + 1
  }
  return buckets
}

function clientOf(index: number): StormClient {
  const user = `storm-${index}`
  return { user, token: tokenFor(user), document: documentOf(index), edit: `edit of ${user}` }
}

function documentOf(index: number): string {
  return `bench/storm-${Math.floor(index / clientsPerDocument)}`
}

function groupsOf(all: readonly StormClient[]): StormClient[][] {
  return Array.from({ length: processes }, (_, group) => all.filter((_client, index) => index % processes === group))
}

/** How many of the edits a newcomer finds. */
async function editsOn(server: RunningPeer): Promise<number> {
  let edits = 0
  for (let index = 0; index < clients; index += clientsPerDocument) {
    const provider = await openProvider(server, documentOf(index))
    edits += provider.document.getMap('edits').size
    provider.destroy()
  }
  return edits
}

type StormClients = Clients<StormOrder, StormReport>

function together<T>(
  children: readonly StormClients[],
  act: (child: StormClients, index: number) => Promise<T>,
): Promise<T[]> {
  return Promise.all(children.map(act))
}

function httpUrlOf({ url }: RunningPeer): string {
  return new URL(url).origin.replace(/^ws/, 'http')
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}
