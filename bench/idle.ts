import { setTimeout } from 'node:timers/promises'
import { parameters } from './parameters.ts'
import { bareWs, coweave, cpuMs, heldBytes, type Peer, verifyingHocuspocus } from './peers.ts'
import { median, type Row } from './results.ts'
import { Throng } from './throng.ts'

export interface Idle {
  readonly bytes: number
  /** Of one core. */
  readonly percent: number
}

const { clients, rounds, settleMs, measuredMs } = parameters.idle

/** What connections cost that do nothing: memory each, and what all of them take of a core. */
export async function measureIdle(log: (line: string) => void): Promise<Row[]> {
  return [...(await measureAll(false, log)), ...(await measureAll(true, log))]
}

/** `isPresent` tells whether they show that they are there, again and again, as stock providers do by themselves. */
async function measureAll(isPresent: boolean, log: (line: string) => void): Promise<Row[]> {
  const name = `idle, ${clients} connections${isPresent ? ' that show presence' : ''}`
  // Presence is nothing to the floor.
  const peers = [coweave, verifyingHocuspocus, ...(isPresent ? [] : [bareWs])]
  const measured = peers.map((): Idle[] => [])
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, peer] of peers.entries()) {
      const idle = await measureIdling(peer, isPresent)
      measured[index]?.push(idle)
      const { bytes, percent } = idle
      log(`${name}, round ${round}, ${peer.name}: ${Math.round(bytes)} bytes each, ${percent.toFixed(2)} % of a core`)
    }
  }
  const row = (what: string, pick: (idle: Idle) => number): Row => {
    const [ours = Number.NaN, theirs = Number.NaN, floor] = measured.map((each) => median(each.map(pick)))
    return { measure: `${name}: ${what}`, ours, theirs, ...(floor !== undefined && { bareWs: floor }) }
  }
  return [row('memory held, bytes each', ({ bytes }) => bytes), row('% of a core', ({ percent }) => percent)]
}

export async function measureIdling(peer: Peer, isPresent: boolean): Promise<Idle> {
  const server = await peer.start()
  const throng = new Throng({ ...parameters.idle, isPresent })
  try {
    const bytesBefore = await heldBytes(server.pid)
    await throng.open(peer, server)
    const bytes = (await heldBytes(server.pid)) - bytesBefore
    await setTimeout(settleMs)
    const [cpuBefore, from] = [cpuMs(server.pid), performance.now()]
    await setTimeout(measuredMs)
    const percent = ((cpuMs(server.pid) - cpuBefore) / (performance.now() - from)) * 100
    await throng.check()
    return { bytes: bytes / clients, percent }
  } finally {
    await throng.end()
    await server.stop()
  }
}
