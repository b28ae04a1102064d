import { Clients } from './clients.ts'
import type { CrowdOrder, CrowdPlace, CrowdReport } from './crowd-clients.ts'
import { yWebsocket } from './dialects.ts'
import { parameters } from './parameters.ts'
import { bareWs, coweave, cpuMs, type Peer, type RunningPeer, stockHocuspocus, yWebsocketServer } from './peers.ts'
import { openProvider } from './provider.ts'
import { median, percentile, type Row } from './results.ts'

interface Load {
  readonly name: string
  /** Connections to the one document, and how many of them are watched; the writers are among these. */
  readonly people: number
  readonly watched: number
  readonly writers: number
  readonly editsPerSecond: number
  /** Of each of them. */
  readonly presencePerSecond: number
}

interface Measurement {
  /** Of one core. */
  readonly cpuShare: number
  readonly cpuMicrosPerDelivery: number
  readonly editP99: number
  readonly presenceP99: number
}

const { warmUpMs, measuredMs, fanOut, presence } = parameters.crowd

/** Edits of a few to a crowd: what a delivery costs, and how long it takes. */
export async function measureFanOut(log: (line: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const load of fanOut) {
    const peers = load.isForAll ? [coweave, stockHocuspocus, yWebsocketServer, bareWs] : [coweave, stockHocuspocus]
    const measured = await rounds(peers, load, log)
    rows.push(
      row(`${load.name}: server CPU µs per delivery`, measured, ({ cpuMicrosPerDelivery }) => cpuMicrosPerDelivery),
      row(`${load.name}: server CPU, % of a core`, measured, ({ cpuShare }) => cpuShare * 100),
      row(`${load.name}: edit p99, ms`, measured, ({ editP99 }) => editP99),
    )
  }
  return rows
}

/** A crowd in one document that shows where it is, and edits among that. */
export async function measurePresence(log: (line: string) => void): Promise<Row[]> {
  const measured = await rounds([coweave, stockHocuspocus], presence, log)
  const quiet = await rounds([coweave], { ...presence, name: 'the same without presence', presencePerSecond: 0 }, log)
  const { name } = presence
  return [
    row(`${name}: server CPU, % of a core`, measured, ({ cpuShare }) => cpuShare * 100),
    row(`${name}: presence p99, ms`, measured, ({ presenceP99 }) => presenceP99),
    row(`${name}: edit p99, ms`, measured, ({ editP99 }) => editP99),
    {
      measure: `${name}: edit p99, ms (beside the same without presence)`,
      ours: of(measured, coweave, ({ editP99 }) => editP99),
      theirs: of(quiet, coweave, ({ editP99 }) => editP99),
    },
  ]
}

type Measured = ReadonlyMap<Peer, readonly Measurement[]>

/** The peers in turn. One that can't keep up with a load has no figure for it. */
async function rounds(peers: readonly Peer[], load: Load, log: (line: string) => void): Promise<Measured> {
  const measured = new Map<Peer, Measurement[]>(peers.map((peer) => [peer, []]))
  for (let round = 1; round <= parameters.rounds; round += 1) {
    for (const [peer, measurements] of measured) {
      try {
        const measurement = await measure(peer, load)
        measurements.push(measurement)
        log(`${load.name}, round ${round}, ${peer.name}: ${JSON.stringify(measurement)}`)
      } catch (error) {
        if (peer === coweave) throw error
        log(`${load.name}, round ${round}, ${peer.name}: ${String(error)}`)
      }
    }
  }
  return measured
}

async function measure(peer: Peer, load: Load): Promise<Measurement> {
  const server = await peer.start()
  const crowd = new Clients<CrowdOrder, CrowdReport>('crowd-clients.ts')
  const watched = new Clients<CrowdOrder, CrowdReport>('crowd-clients.ts')
  try {
    const document = 'bench/crowd'
    const dialect = peer.dialect === yWebsocket ? 'y-websocket' : 'hocuspocus'
    const place: CrowdPlace = { url: server.url, dialect, document }
    const { presencePerSecond } = load
    await watched.obey({ order: 'join', place, clients: load.watched, first: 0, presencePerSecond }, 'joined')
    const others = load.people - load.watched
    await crowd.obey({ order: 'join', place, clients: others, first: load.watched, presencePerSecond }, 'joined')
    await watched.obey({ order: 'write', writers: load.writers, perSecond: load.editsPerSecond }, 'writing')
    await new Promise((resolve) => setTimeout(resolve, warmUpMs))

    watched.order({ order: 'measure', ms: measuredMs })
    const cpuBefore = cpuMs(server.pid)
    await new Promise((resolve) => setTimeout(resolve, measuredMs))
    const cpu = cpuMs(server.pid) - cpuBefore
    const { written, edits, presence } = await watched.next('measured')

    await crowd.obey({ order: 'await end' }, 'awaiting')
    const { written: all } = await watched.obey({ order: 'end' }, 'ended')
    await crowd.next('ended')
    if (peer.dialect !== yWebsocket) await verify(server, document, all)
    return {
      cpuShare: cpu / measuredMs,
      cpuMicrosPerDelivery: (cpu * 1000) / (written * (load.people - 1)),
      editP99: percentile(edits, 0.99),
      presenceP99: percentile(presence, 0.99),
    }
  } finally {
    await crowd.end()
    await watched.end()
    await server.stop()
  }
}

/** A figure counts only if a real client finds everything there. */
async function verify(server: RunningPeer, name: string, written: number): Promise<void> {
  const provider = await openProvider(server, name)
  const found =
    provider.document
      .getText('text')
      .toString()
      .match(/<[^>]*>/g)?.length ?? 0
  provider.destroy()
  if (found !== written) throw new Error(`${name} has ${found} edits, ${written} were written`)
}

function row(measure: string, measured: Measured, pick: (measurement: Measurement) => number): Row {
  const isForAll = measured.has(bareWs)
  return {
    measure,
    ours: of(measured, coweave, pick),
    theirs: of(measured, stockHocuspocus, pick),
    ...(isForAll && { yWebsocket: of(measured, yWebsocketServer, pick), bareWs: of(measured, bareWs, pick) }),
  }
}

function of(measured: Measured, peer: Peer, pick: (measurement: Measurement) => number): number {
  return median((measured.get(peer) ?? []).map(pick))
}
