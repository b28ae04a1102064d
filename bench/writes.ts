import { Clients } from './clients.ts'
import { parameters } from './parameters.ts'
import { coweave, cpuMs, type Peer, stockHocuspocus, writtenBytes } from './peers.ts'
import { median, type Row } from './results.ts'
import type { WritersReport, WritersTask } from './writers.ts'

interface Measurement {
  readonly perSecond: number
  readonly cpuMicros: number
  readonly bytes: number
}

const { warmUpMs, measuredMs, settleMs, loads } = parameters.writes

/** Acknowledged updates a second at saturation, CPU and bytes to disk for each, beside stock Hocuspocus. */
export async function measureWrites(log: (line: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const load of loads) {
    const ours: Measurement[] = []
    const theirs: Measurement[] = []
    for (let round = 0; round < parameters.rounds; round += 1) {
      ours.push(await measure(coweave, load))
      theirs.push(await measure(stockHocuspocus, load))
      log(
        `writes, ${load.documents} documents, round ${round + 1}: ${shown(ours.at(-1))} / stock ${shown(theirs.at(-1))}`,
      )
    }
    const what = `writes, ${load.documents} ${load.documents === 1 ? 'document' : 'documents'}`
    const row = (measure: string, pick: (measurement: Measurement) => number): Row => ({
      measure: `${what}: ${measure}`,
      ours: median(ours.map(pick)),
      theirs: median(theirs.map(pick)),
    })
    rows.push(
      row('acknowledged a second', ({ perSecond }) => perSecond),
      row('server CPU µs per update', ({ cpuMicros }) => cpuMicros),
      row('bytes to disk per update', ({ bytes }) => bytes),
    )
  }
  return rows
}

async function measure(peer: Peer, load: { documents: number; window: number }): Promise<Measurement> {
  const server = await peer.start()
  const writers = new Clients<WritersTask, WritersReport>('writers.ts')
  try {
    const bytesBefore = writtenBytes(server.pid)
    const task: WritersTask = { ...load, url: server.url, token: server.token, warmUpMs, measuredMs }
    await writers.obey(task, 'measuring')
    const cpuBefore = cpuMs(server.pid)
    const { acknowledged, seconds } = await writers.next('measured')
    const cpu = cpuMs(server.pid) - cpuBefore
    const { total } = await writers.next('verified')
    await new Promise((resolve) => setTimeout(resolve, settleMs))
    const bytes = (writtenBytes(server.pid) - bytesBefore) / total
    return { perSecond: acknowledged / seconds, cpuMicros: (cpu * 1000) / acknowledged, bytes }
  } finally {
    await writers.end()
    await server.stop()
  }
}

function shown(measurement: Measurement | undefined): string {
  return measurement === undefined ? '' : `${Math.round(measurement.perSecond)}/s`
}
