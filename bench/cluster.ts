import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { startPostgres } from '../test/support/postgres.ts'
import { startRedis, type TestRedis } from '../test/support/redis.ts'
import { Clients } from './clients.ts'
import type { ClusterReport, ClusterTask } from './cluster-clients.ts'
import { parameters } from './parameters.ts'
import { cpuMs, type RunningPeer, startCoweave, startStock, temporaryFolder } from './peers.ts'
import { median, percentile, type Row } from './results.ts'

const { loads, commits, settleMs, patienceMs, warmUpMs, measuredMs, atRestMs } = parameters.cluster

type Load = (typeof loads)[number]
type Pair = readonly [RunningPeer, RunningPeer]

/** Of one load, for each edit. */
interface Measurement {
  readonly messages: number
  readonly bytes: number
  /** A second, without edits. */
  readonly messagesAtRest: number
  readonly p50: number
  readonly p99: number
  /** Of both instances. */
  readonly cpuMicros: number
}

/**
 * Two instances that share a database and Redis, beside two of stock Hocuspocus: what an edit costs until it is with
 * the clients of the other instance, and how long that takes. Ours are on Postgres, which flushes each commit to the
 * disk, and an edit leaves them after that.
 */
export async function measureCluster(log: (line: string) => void): Promise<Row[]> {
  const [postgres, redis] = [await startPostgres({ fsync: true }), await startRedis()]
  try {
    const startOurs = async () => {
      const settings = { DATABASE_URL: await postgres.createDatabase(), REDIS_URL: redis.url }
      return pairOf(() => startCoweave(temporaryFolder(), settings))
    }
    const startTheirs = () => {
      const folder = temporaryFolder()
      return pairOf(() => startStock(folder, { REDIS_PORT: String(redis.port) }))
    }
    const rows: Row[] = []
    for (const load of loads) {
      const ours: Measurement[] = []
      const theirs: Measurement[] = []
      for (let round = 0; round < parameters.rounds; round += 1) {
        ours.push(await measure(startOurs, load, redis))
        theirs.push(await measure(startTheirs, load, redis))
        const shown = [ours, theirs].map((measurements) => JSON.stringify(measurements.at(-1)))
        log(`cluster, ${load.name}, round ${round + 1}: ${shown.join(' / stock ')}`)
      }
      rows.push(...rowsOf(load, ours, theirs, log))
    }
    const floor = await measureCommits(await postgres.createDatabase())
    return [...rows, ...rows.filter(({ measure }) => measure.includes('p50')).map((row) => besideFloor(row, floor))]
  } finally {
    await redis.stop()
    await postgres.stop()
  }
}

function rowsOf(load: Load, ours: Measurement[], theirs: Measurement[], log: (line: string) => void): Row[] {
  const row = (measure: string, pick: (measurement: Measurement) => number, goal?: (row: Row) => boolean): Row => {
    const row = {
      measure: `cluster, ${load.name}: ${measure}`,
      ours: median(ours.map(pick)),
      theirs: median(theirs.map(pick)),
    }
    if (goal !== undefined) log(`${row.measure}: the goal is ${goal(row) ? 'met' : 'missed'}`)
    return row
  }
  const atMostHalf = ({ ours, theirs }: Row) => ours <= theirs / 2
  // Of two instances, each has one peer.
  const atMostOne = ({ ours }: Row) => Number(ours.toFixed(2)) <= 1
  return [
    row('Redis messages per edit (goal: 1)', ({ messages }) => messages, atMostOne),
    row('Redis messages a second without edits', ({ messagesAtRest }) => messagesAtRest),
    row(
      'bytes through Redis per edit (goal: fewer)',
      ({ bytes }) => bytes,
      ({ ours, theirs }) => ours < theirs,
    ),
    row('p50 until the other instance’s client has an edit, ms (goal: half)', ({ p50 }) => p50, atMostHalf),
    row('p99 until the other instance’s client has an edit, ms (goal: half)', ({ p99 }) => p99, atMostHalf),
    // Of a writer alone it is the clock's ticks, and what happens at rest.
    ...(load.writers === 'all'
      ? [row('CPU µs per edit, both instances (goal: half)', ({ cpuMicros }) => cpuMicros, atMostHalf)]
      : []),
  ]
}

/** What no server on this Postgres can be below that tells nobody of an edit before it is on disk. */
function besideFloor({ measure, ours }: Row, floor: number): Row {
  return { measure: measure.replace(/\(.*\)/, '(beside a commit of one row by Postgres alone)'), ours, theirs: floor }
}

/** The median time of a commit of one row, ms, with nothing else to do. */
async function measureCommits(url: string): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query('SET synchronous_commit = on')
    await client.query('CREATE TABLE rows (data bytea)')
    const times: number[] = []
    for (let commit = 0; commit < commits; commit += 1) {
      const begun = performance.now()
      await client.query({ name: 'insert', text: 'INSERT INTO rows VALUES ($1)', values: [Buffer.alloc(50)] })
      times.push(performance.now() - begun)
    }
    return median(times)
  } finally {
    await client.end()
  }
}

async function measure(start: () => Promise<Pair>, load: Load, redis: TestRedis): Promise<Measurement> {
  const pair = await start()
  const clients = new Clients<ClusterTask, ClusterReport>('cluster-clients.ts')
  try {
    const [{ token }] = pair
    const urls = [pair[0].url, pair[1].url] as const
    const task: ClusterTask = { ...load, urls, token, warmUpMs, measuredMs, patienceMs }
    await clients.obey(task, 'measuring')
    const before = costsOf(pair, redis)
    const { delays } = await clients.next('measured')
    await delay(settleMs)
    const after = costsOf(pair, redis)
    await clients.next('verified')
    await delay(atRestMs)
    const atRest = costsOf(pair, redis)
    // Instances tell each other some things anyway, so many times a second.
    const share = (measuredMs + settleMs) / atRestMs
    const caused = (cost: 'messages' | 'bytes') =>
      (after[cost] - before[cost] - (atRest[cost] - after[cost]) * share) / delays.length
    return {
      messages: caused('messages'),
      bytes: caused('bytes'),
      messagesAtRest: ((atRest.messages - after.messages) * 1_000) / atRestMs,
      p50: percentile(delays, 0.5),
      p99: percentile(delays, 0.99),
      cpuMicros: ((after.cpuMs - before.cpuMs) * 1_000) / delays.length,
    }
  } finally {
    await clients.end()
    // The second one's folder may be the first one's.
    for (const server of pair) await server.stop()
  }
}

/** What both instances and Redis have spent so far. */
function costsOf(pair: Pair, redis: TestRedis): { messages: number; bytes: number; cpuMs: number } {
  const stats = redis.command('INFO', 'stats')
  const commands = redis.command('INFO', 'commandstats')
  const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0)
  const calls = ['publish', 'spublish', 'xadd'].map((name) =>
    number(commands, new RegExp(`cmdstat_${name}:calls=(\\d+)`)),
  )
  return {
    messages: calls.reduce((sum, count) => sum + count),
    bytes: number(stats, /total_net_input_bytes:(\d+)/) + number(stats, /total_net_output_bytes:(\d+)/),
    cpuMs: pair.reduce((sum, { pid }) => sum + cpuMs(pid), 0),
  }
}

async function pairOf(start: () => Promise<RunningPeer>): Promise<Pair> {
  return [await start(), await start()]
}
