import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { type RedisNode, type RedisTarget, rotated } from './redis-url.ts'

const CONNECT_TIMEOUT_MS = 1_500
const COMMAND_TIMEOUT_MS = 1_000
const LONGEST_DELAY_MS = 2_000

/**
 * A connection that is made once, with connect(), and not again when it has ended. In a cluster it goes to one of the
 * nodes, since each passes on what is published to all; `attempt` says where to begin with the list of nodes.
 */
export function connectOnce(target: RedisTarget, attempt: number): Redis {
  const [node = target.nodes[0]] = rotated(target.nodes, attempt)
  return survivingErrors(
    new Redis({
      ...common(target),
      ...(target.kind === 'sentinel' ? sentinelOptions(target, attempt) : addressOf(target, node)),
      lazyConnect: true,
      retryStrategy: null,
      enableOfflineQueue: false,
      autoResubscribe: false,
    }),
  )
}

/**
 * A client for commands on keys. It connects for as long as it is open, and fails a command that can't be done within a
 * second, or at once while Redis is away.
 */
export function connectForCommands(target: RedisTarget): Redis | Cluster {
  const options = { ...common(target), commandTimeout: COMMAND_TIMEOUT_MS, socketTimeout: 2 * COMMAND_TIMEOUT_MS }
  const retryStrategy = (times: number) => Math.min(100 * 2 ** times, LONGEST_DELAY_MS) * (0.5 + Math.random() / 2)
  if (target.kind !== 'cluster') {
    const address = target.kind === 'sentinel' ? sentinelOptions(target, 0) : addressOf(target, target.nodes[0])
    return survivingErrors(new Redis({ ...options, ...address, retryStrategy, enableOfflineQueue: false }))
  }
  const cluster = new Cluster([...target.nodes], {
    redisOptions: { ...options, ...(target.tls && { tls: {} }) },
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue: false,
    maxRedirections: 3,
    // By name, since certificates are for names.
    ...(target.tls && { dnsLookup: (address, found) => found(null, address) }),
  })
  cluster.on('error', () => {}) // each command tells its own failure
  cluster.on('+node', survivingErrors)
  return cluster
}

/**
 * ioredis listens for the first error of a socket only. One that speaks TLS may have two, when the other side answers to
 * the refusal of its certificate, and an error that nobody listens for ends the process.
 */
function survivingErrors(redis: Redis): Redis {
  const listen = () => redis.stream?.on('error', () => {})
  redis.on('connecting', () => setImmediate(listen)) // it has its socket by then, unless sentinels are asked before
  redis.on('error', listen)
  return redis
}

function common({ username, password, db }: RedisTarget) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    db,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A peer that is away does not close its side; nothing worth waiting for is left when a connection is given up.
    disconnectTimeout: 1,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    protocol: 2,
  } satisfies RedisOptions
}

function addressOf({ tls }: RedisTarget, { host, port }: RedisNode) {
  const options: ConnectionOptions = isIP(host) === 0 ? { servername: host } : {}
  return { host, port, ...(tls && { tls: options }) } satisfies RedisOptions
}

function sentinelOptions(target: RedisTarget, attempt: number) {
  const { nodes, masterName, sentinelPassword, tls } = target
  return {
    sentinels: rotated(nodes, attempt),
    name: masterName,
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    ...(tls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
    // A master that was replaced may live on, with us as the last who listen to it.
    failoverDetector: true,
  } satisfies RedisOptions
}
