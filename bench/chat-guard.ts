import type { ChatWritersTask } from './chat-writers.ts'
import { Clients } from './clients.ts'
import { parameters } from './parameters.ts'
import { coweave, cpuMs } from './peers.ts'
import { median, type Row } from './results.ts'
import type { WritersReport } from './writers.ts'

interface Measurement {
  readonly perSecond: number
  readonly cpuMicros: number
}

const { loads, rounds, warmUpMs, measuredMs } = parameters.chat

/** Acknowledged messages a second in guarded rooms, beside the same updates in documents without rules. */
export async function measureGuard(log: (line: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const load of loads) {
    const guarded: Measurement[] = []
    const free: Measurement[] = []
    for (let round = 0; round < rounds; round += 1) {
      guarded.push(await measure({ ...load, guarded: true }))
      free.push(await measure({ ...load, guarded: false }))
      log(`chat, ${load.rooms} rooms, round ${round + 1}: ${shown(guarded.at(-1))}, unguarded ${shown(free.at(-1))}`)
    }
    const what = `chat, ${load.rooms} ${load.rooms === 1 ? 'room' : 'rooms'}`
    const row = (measure: string, pick: (measurement: Measurement) => number): Row => ({
      measure: `${what}: ${measure} (beside unguarded)`,
      ours: median(guarded.map(pick)),
      theirs: median(free.map(pick)),
    })
    rows.push(
      row('acknowledged messages a second', ({ perSecond }) => perSecond),
      row('server CPU µs per message', ({ cpuMicros }) => cpuMicros),
    )
  }
  return rows
}

async function measure(load: Pick<ChatWritersTask, 'rooms' | 'window' | 'guarded'>): Promise<Measurement> {
  const server = await coweave.start()
  const writers = new Clients<ChatWritersTask, WritersReport>('chat-writers.ts')
  try {
    const task: ChatWritersTask = { ...load, url: server.url, token: server.token, warmUpMs, measuredMs }
    await writers.obey(task, 'measuring')
    const cpuBefore = cpuMs(server.pid)
    const { acknowledged, seconds } = await writers.next('measured')
    const cpu = cpuMs(server.pid) - cpuBefore
    await writers.next('verified')
    return { perSecond: acknowledged / seconds, cpuMicros: (cpu * 1000) / acknowledged }
  } finally {
    await writers.end()
    await server.stop()
  }
}

function shown(measurement: Measurement | undefined): string {
  return measurement === undefined ? '' : `${measurement.perSecond.toFixed()}/s, ${measurement.cpuMicros.toFixed()} µs`
}
