import { setTimeout } from 'node:timers/promises'
import type { Instances } from '../support/instances.ts'
import type { TestPostgres } from '../support/postgres.ts'
import type { Random } from '../support/random.ts'
import type { TestRedis } from '../support/redis.ts'

export const FAULT_KINDS = [
  'instance killed',
  'redis restarted',
  'redis stopped',
  'postgres crashed',
  'redis link cut',
  'redis link stalled',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  readonly kind: FaultKind
  /** Of the instance that it is about. */
  readonly instance: number
  readonly forMs: number
  /** Before it, with everything in order but what is away meanwhile, ms. */
  readonly pauseMs: number
}

export interface FaultTimes {
  readonly redisStoppedMs: number
  /** Of all others: at least, and how much more at most. */
  readonly shortestMs: number
  readonly spreadMs: number
}

/** Faults without end: each round has every kind once, in another order. */
export function* faultsOf(random: Random, instances: number, times: FaultTimes): Generator<Fault, never> {
  for (;;) {
    for (const kind of shuffled(FAULT_KINDS, random)) {
      yield {
        kind,
        instance: random.int(instances),
        forMs: kind === 'redis stopped' ? times.redisStoppedMs : times.shortestMs + random.int(times.spreadMs),
        pauseMs: times.shortestMs + random.int(times.spreadMs),
      }
    }
  }
}

/** What faults happen to, and what happened when. */
export class Faults {
  /** How many there were of each kind. */
  readonly counts = new Map<FaultKind, number>()
  readonly timeline: string[] = []
  readonly #instances: Instances
  readonly #redis: TestRedis
  readonly #postgres: TestPostgres
  readonly #startedAt = Date.now()
  /** What a stopped Redis waits for, while other faults happen. */
  #redisBack: Promise<void> = Promise.resolve()

  constructor(parts: { instances: Instances; redis: TestRedis; postgres: TestPostgres }) {
    this.#instances = parts.instances
    this.#redis = parts.redis
    this.#postgres = parts.postgres
  }

  /** Resolves once what the fault is about is back; while Redis is stopped, other faults may happen. */
  async happen(fault: Fault): Promise<void> {
    await setTimeout(fault.pauseMs)
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1)
    if (fault.kind === 'redis stopped' || fault.kind === 'redis restarted') {
      await this.#redisBack
      const back = this.#stopRedis(fault.kind === 'redis stopped' ? fault.forMs : 0)
      if (fault.kind === 'redis restarted') await back
      else this.#redisBack = back
    } else if (fault.kind === 'postgres crashed') await this.#crashPostgres(fault.forMs)
    else if (fault.kind === 'instance killed') await this.#kill(fault)
    else await this.#cut(fault)
  }

  /** Resolves once nothing is away any more. */
  allBack(): Promise<void> {
    return this.#redisBack
  }

  note(what: string): void {
    this.timeline.push(`${new Date().toISOString()} ${Date.now() - this.#startedAt} ms: ${what}`)
  }

  async #stopRedis(forMs: number): Promise<void> {
    this.note('redis stops')
    await this.#redis.stop()
    await setTimeout(forMs)
    await this.#redis.start()
    this.note('redis is back')
  }

  async #crashPostgres(forMs: number): Promise<void> {
    this.note('postgres crashes')
    await this.#postgres.crash()
    await setTimeout(forMs)
    await this.#postgres.start()
    this.note('postgres is back')
  }

  async #kill({ instance, forMs }: Fault): Promise<void> {
    const [killed, way] = [this.#instances.all[instance], this.#instances.ways[instance]]
    this.note(`${killed?.name} is killed`)
    await killed?.kill()
    await setTimeout(forMs)
    await killed?.restart()
    this.note(`${killed?.name} is back`)
    // Clients come home, as a load balancer spreads them again.
    way?.drop()
  }

  async #cut({ kind, instance, forMs }: Fault): Promise<void> {
    const { name, redisLink } = this.#instances.all[instance] ?? {}
    this.note(`${name}: ${kind}`)
    if (kind === 'redis link cut') redisLink?.cut()
    else redisLink?.stall()
    await setTimeout(forMs)
    redisLink?.mend()
    this.note(`${name}: redis link mended`)
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items]
  return items.map(() => {
    const item = random.pick(left)
    left.splice(left.indexOf(item), 1)
    return item
  })
}
