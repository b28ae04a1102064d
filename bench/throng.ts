import { Clients } from './clients.ts'
import type { Peer, RunningPeer } from './peers.ts'
import { bareWs } from './peers.ts'
import type { Talk, ThrongOrder, ThrongPart, ThrongReport } from './throng-clients.ts'

export interface ThrongSize {
  readonly clients: number
  readonly documents: number
  readonly processes: number
  /** How many connect at the same time, of all processes. */
  readonly together: number
  /** Whether they show presence, as editors do. */
  readonly isPresent: boolean
}

/** What was heard while a throng talked. */
export interface Talked {
  readonly editsPerSecond: number
  /** From an edit until another client had it, ms, each time. */
  readonly delays: readonly number[]
  /** What each newcomer waited, ms. */
  readonly times: readonly number[]
}

/** Many clients of one server, in some processes, each connected all the time. */
export class Throng {
  readonly #size: ThrongSize
  readonly #name: string
  readonly #processes: readonly Clients<ThrongOrder, ThrongReport>[]

  /** `name` tells its users and documents from those of another throng. */
  constructor(size: ThrongSize, name = 'throng') {
    this.#size = size
    this.#name = name
    this.#processes = Array.from(
      { length: size.processes },
      () => new Clients<ThrongOrder, ThrongReport>('throng-clients.ts'),
    )
  }

  /** Resolves once all have what their documents hold, with how long each took, ms. @throws {Error} unless all have */
  async open(peer: Peer, { url }: RunningPeer): Promise<number[]> {
    const { clients, documents, processes, together, isPresent } = this.#size
    const speaks = peer === bareWs ? 'nothing' : peer.dialect.name
    const reports = await Promise.all(
      this.#processes.map((child, index) => {
        // In one piece: the clients of one document are in several processes.
        const [from, until] = [index, index + 1].map((part) => Math.floor((clients * part) / processes))
        const part: ThrongPart = {
          url,
          name: this.#name,
          speaks,
          documents,
          from: from ?? 0,
          until: until ?? clients,
          together: Math.ceil(together / processes),
          isPresent,
        }
        return child.obey({ order: 'open', ...part }, 'open')
      }),
    )
    const times = reports.flatMap((report) => report.times)
    if (times.length !== clients) throw new Error(`${times.length} of ${clients} clients got their document`)
    return times
  }

  /** @throws {Error} unless all are connected */
  async check(): Promise<void> {
    const reports = await Promise.all(this.#processes.map((child) => child.obey({ order: 'count' }, 'counted')))
    const open = reports.reduce((sum, report) => sum + report.open, 0)
    if (open !== this.#size.clients) throw new Error(`${open} of ${this.#size.clients} clients are connected`)
  }

  /** Has them edit, with newcomers beside them. @throws {Error} unless each edit has come to all others of its document */
  async talk(talk: Talk): Promise<Talked> {
    const { clients, documents, processes } = this.#size
    const each: Talk = {
      ...talk,
      editsPerSecond: talk.editsPerSecond / processes,
      newcomersPerSecond: talk.newcomersPerSecond / processes,
    }
    const reports = await Promise.all(
      this.#processes.map(async (child) => {
        const talked = await child.obey({ order: 'talk', ...each }, 'talked')
        return { ...talked, ...(await child.next('heard')) }
      }),
    )
    const sent = reports.reduce((sum, report) => sum + report.sent, 0)
    const delays = reports.flatMap((report) => report.delays)
    const expected = sent * (clients / documents - 1)
    if (delays.length !== expected) throw new Error(`${delays.length} of ${expected} edits came to others`)
    const seconds = Math.max(...reports.map((report) => report.seconds))
    return { editsPerSecond: sent / seconds, delays, times: reports.flatMap((report) => report.times) }
  }

  async end(): Promise<void> {
    for (const child of this.#processes) await child.end()
  }
}
