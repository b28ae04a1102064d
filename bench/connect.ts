import { setTimeout } from 'node:timers/promises'
import { parameters } from './parameters.ts'
import {
  bareWs,
  coweave,
  cpuMs,
  heldBytes,
  type Peer,
  type RunningPeer,
  verifyingHocuspocus,
  yWebsocketServer,
} from './peers.ts'
import { median, percentile, type Row } from './results.ts'
import { Throng } from './throng.ts'

export interface Connected {
  readonly cpuMicros: number
  readonly bytes: number
  readonly times: readonly number[]
}

const { clients, documents, residents, warmUps, settleMs } = parameters.connect

/** What it costs a server that many connect, authenticate and sync, each, and how long they wait. */
export async function measureConnect(log: (line: string) => void): Promise<Row[]> {
  const peers = [coweave, verifyingHocuspocus, yWebsocketServer, bareWs]
  const rounds = peers.map((): Connected[] => [])
  for (let round = 1; round <= parameters.rounds; round += 1) {
    for (const [index, peer] of peers.entries()) {
      const connected = await measureConnected(peer)
      rounds[index]?.push(connected)
      log(`connect, round ${round}, ${peer.name}: ${shown(connected)}`)
    }
  }
  const row = (what: string, pick: (connected: Connected) => number): Row => {
    const [ours = Number.NaN, theirs = Number.NaN, yWebsocket, floor] = rounds.map((each) => median(each.map(pick)))
    const measure = `connect, ${clients} connections to ${documents} documents: ${what}`
    return { measure, ours, theirs, ...(yWebsocket && { yWebsocket }), ...(floor && { bareWs: floor }) }
  }
  return [
    row('server CPU µs each', ({ cpuMicros }) => cpuMicros),
    row('memory held, bytes each', ({ bytes }) => bytes),
    row('p50 until synced, ms', ({ times }) => percentile(times, 0.5)),
    row('p99 until synced, ms', ({ times }) => percentile(times, 0.99)),
  ]
}

/**
 * Memory is that of the first throng, beside a few who were there before: what a server makes and compiles for the first to
 * come belongs to none of them. What it costs to connect is that of the last one, on a server that has warmed up.
 */
export async function measureConnected(peer: Peer): Promise<Connected> {
  const server = await peer.start()
  const staying = new Throng({ ...parameters.connect, ...residents }, 'residents')
  try {
    await staying.open(peer, server)
    const bytesBefore = await heldBytes(server.pid)
    const { bytes } = await connectThrong(
      peer,
      server,
      'first',
      async () => (await heldBytes(server.pid)) - bytesBefore,
    )
    for (let warmUp = 1; warmUp <= warmUps; warmUp += 1) await connectThrong(peer, server, `warm-${warmUp}`)
    const { cpu, times } = await connectThrong(peer, server, 'last')
    return { cpuMicros: (cpu * 1_000) / clients, bytes: bytes / clients, times }
  } finally {
    await staying.end()
    await server.stop()
  }
}

/** A throng comes, `look` is taken, and it leaves. */
async function connectThrong(peer: Peer, server: RunningPeer, name: string, look = async () => 0) {
  const throng = new Throng(parameters.connect, name)
  try {
    const cpuBefore = cpuMs(server.pid)
    const times = await throng.open(peer, server)
    const cpu = cpuMs(server.pid) - cpuBefore
    const bytes = await look()
    await throng.check()
    return { cpu, bytes, times }
  } finally {
    await throng.end()
    await setTimeout(settleMs)
  }
}

function shown({ cpuMicros, bytes, times }: Connected): string {
  const [p50, p99] = [0.5, 0.99].map((part) => percentile(times, part).toFixed(1))
  return `${Math.round(cpuMicros)} µs, ${Math.round(bytes)} bytes each; p50 / p99 ${p50} / ${p99} ms`
}
