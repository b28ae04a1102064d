import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
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
  const writers = fork(fileURLToPath(new URL('writers.ts', import.meta.url)))
  try {
    const bytesBefore = writtenBytes(server.pid)
    const task: WritersTask = { ...load, url: server.url, token: server.token, warmUpMs, measuredMs }
    writers.send(task)
    const reports = reportsOf(writers)
    await reports.next('measuring')
    const cpuBefore = cpuMs(server.pid)
    const { acknowledged, seconds } = await reports.next('measured')
    const cpu = cpuMs(server.pid) - cpuBefore
    const { total } = await reports.next('verified')
    await new Promise((resolve) => setTimeout(resolve, settleMs))
    const bytes = (writtenBytes(server.pid) - bytesBefore) / total
    return { perSecond: acknowledged / seconds, cpuMicros: (cpu * 1000) / acknowledged, bytes }
  } finally {
    writers.kill()
    await server.stop()
  }
}

/** The reports of a clients' process, asked for one after the other. */
export function reportsOf(writers: ReturnType<typeof fork>) {
  const received: WritersReport[] = []
  let wake = () => {}
  writers.on('message', (report: WritersReport) => {
    received.push(report)
    wake()
  })
  writers.on('exit', () => {
    received.push({ phase: 'failed', problem: 'the process of the clients ended' })
    wake()
  })
  return {
    async next<Phase extends WritersReport['phase']>(phase: Phase): Promise<Extract<WritersReport, { phase: Phase }>> {
      for (;;) {
        const report = received.shift()
        if (report === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        } else if (isPhase(report, phase)) {
          return report
        } else {
          throw new Error(report.phase === 'failed' ? report.problem : `unexpected report: ${report.phase}`)
        }
      }
    },
  }
}

function isPhase<Phase extends WritersReport['phase']>(
  report: WritersReport,
  phase: Phase,
): report is Extract<WritersReport, { phase: Phase }> {
  return report.phase === phase
}

function shown(measurement: Measurement | undefined): string {
  return measurement === undefined ? '' : `${Math.round(measurement.perSecond)}/s`
}
