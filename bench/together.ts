import { parameters } from './parameters.ts'
import { coweave, type Peer, verifyingHocuspocus } from './peers.ts'
import { percentile, type Row } from './results.ts'
import { type Talked, Throng } from './throng.ts'

const { clients, loads, warmUpMs, measuredMs, newcomersPerSecond, patienceMs } = parameters.together

/** Many connections to one process, of which some talk and new ones come: how long both take, at more and more edits. */
export async function measureTogether(log: (line: string) => void): Promise<Row[]> {
  const [ours, theirs] = [await measureLoads(coweave, log), await measureLoads(verifyingHocuspocus, log)]
  return loads.flatMap((editsPerSecond, index) => {
    const row = (what: string, pick: (talked: Talked) => number): Row => {
      const [our, their] = [ours[index], theirs[index]]
      const measure = `together, ${clients} connections, ${editsPerSecond} edits a second: ${what}`
      return { measure, ours: our ? pick(our) : Number.NaN, theirs: their ? pick(their) : Number.NaN }
    }
    return [
      row('edits a second', (talked) => talked.editsPerSecond),
      row('p50 to others, ms', ({ delays }) => percentile(delays, 0.5)),
      row('p99 to others, ms', ({ delays }) => percentile(delays, 0.99)),
      row('p50 to connect, ms', ({ times }) => percentile(times, 0.5)),
      row('p99 to connect, ms', ({ times }) => percentile(times, 0.99)),
    ]
  })
}

/** One load after the other, on the same connections. A peer that can't keep up with one has no figure for it, nor for more. */
export async function measureLoads(peer: Peer, log: (line: string) => void): Promise<Talked[]> {
  const server = await peer.start()
  const throng = new Throng(parameters.together)
  try {
    await throng.open(peer, server)
    await throng.talk({ editsPerSecond: loads[0], newcomersPerSecond, measuredMs: warmUpMs, patienceMs })
    const talks: Talked[] = []
    for (const editsPerSecond of loads) {
      const talked = await throng
        .talk({ editsPerSecond, newcomersPerSecond, measuredMs, patienceMs })
        .catch((error: unknown) => {
          if (peer === coweave) throw error
          log(`together, ${peer.name}, ${editsPerSecond} edits/s: ${String(error)}`)
        })
      if (talked === undefined) return talks
      talks.push(talked)
      log(`together, ${peer.name}: ${shown(talked)}`)
    }
    await throng.check()
    return talks
  } finally {
    await throng.end()
    await server.stop()
  }
}

function shown({ editsPerSecond, delays, times }: Talked): string {
  const [arriving, connecting] = [delays, times].map((values) =>
    [0.5, 0.99].map((part) => percentile(values, part).toFixed(1)).join(' / '),
  )
  return `${Math.round(editsPerSecond)} edits/s; to others p50 / p99 ${arriving} ms; to connect ${connecting} ms`
}
