import type { ChatWritersTask } from './chat-writers.ts'
import { Clients } from './clients.ts'
import { parameters } from './parameters.ts'
import { coweave, cpuMs, type Peer, stockHocuspocus } from './peers.ts'
import { median, type Row } from './results.ts'
import type { WritersReport } from './writers.ts'

interface Measurement {
  readonly perSecond: number
  readonly cpuMicros: number
}

const { loads, rounds, warmUpMs, measuredMs } = parameters.chat

/** What keeps the rooms: their guard, or nobody. */
const ways: readonly { readonly name: string; readonly peer: Peer; readonly guarded: boolean }[] = [
  { name: 'guarded', peer: coweave, guarded: true },
  { name: 'unguarded', peer: coweave, guarded: false },
  { name: 'stock, unguarded', peer: stockHocuspocus, guarded: false },
]

/** Acknowledged messages a second in guarded rooms, beside the same updates in documents without rules, here and on stock. */
export async function measureGuard(log: (line: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const load of loads) {
    const measured = ways.map((): Measurement[] => [])
    for (let round = 1; round <= rounds; round += 1) {
      for (const [index, { name, peer, guarded }] of ways.entries()) {
        const measurement = await measure(peer, { ...load, guarded })
        measured[index]?.push(measurement)
        log(`chat, ${load.rooms} rooms, round ${round}, ${name}: ${shown(measurement)}`)
      }
    }
    const what = `chat, ${load.rooms} ${load.rooms === 1 ? 'room' : 'rooms'}`
    const compared = (measure: string, pick: (measurement: Measurement) => number): Row[] => {
      const [ours = Number.NaN, unguarded = Number.NaN, stock = Number.NaN] = measured.map((each) =>
        median(each.map(pick)),
      )
      return [
        { measure: `${what}: ${measure} (beside stock without a guard)`, ours, theirs: stock },
        { measure: `${what}: ${measure} (beside Coweave without a guard)`, ours, theirs: unguarded },
      ]
    }
    rows.push(
      ...compared('acknowledged messages a second', ({ perSecond }) => perSecond),
      ...compared('server CPU µs per message', ({ cpuMicros }) => cpuMicros),
    )
  }
  return rows
}

async function measure(peer: Peer, load: Pick<ChatWritersTask, 'rooms' | 'window' | 'guarded'>): Promise<Measurement> {
  const server = await peer.start()
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

function shown({ perSecond, cpuMicros }: Measurement): string {
  return `${perSecond.toFixed()}/s, ${cpuMicros.toFixed()} µs`
}
