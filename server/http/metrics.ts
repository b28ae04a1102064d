import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Backlog } from '../../persistence/webhook-store.ts'
import type { FollowerCounts } from '../cluster/follower.ts'
import type { Durability } from '../documents/durability.ts'
import type { Distribution } from '../metrics/distribution.ts'
import { distributionText } from '../metrics/distribution-text.ts'
import { measureRequests } from '../metrics/requests.ts'
import type { Traffic } from '../metrics/traffic.ts'
import type { PushCounts } from '../push/pusher.ts'
import type { DeliveryCounts } from '../webhooks/sender.ts'
import { describe } from './route-description.ts'

/** What is measured, as it is when it is asked for. */
export interface Measured {
  readonly connections: number
  readonly documents: number
  /** Those of them that nobody has open. */
  readonly idleDocuments: number
  /** Documents loaded since the start. */
  readonly loads: number
  /** Updates taken, and those of them that are on disk or were given up. */
  readonly appended: number
  readonly committed: number
  /** Bytes of updates that wait for storage. */
  readonly waitingBytes: number
  readonly commits: Durability['commits']
  readonly traffic: Traffic
  readonly cluster: FollowerCounts
  readonly deliveries: Readonly<DeliveryCounts>
  readonly backlog: Backlog
  /** Undefined where notifications are not pushed. */
  readonly pushes: Readonly<PushCounts> | undefined
  /** Undefined where there is no Redis. */
  readonly isRelayUp: boolean | undefined
}

/** How often the delay of the event loop is looked at, ms. */
const DELAY_LOOK_MS = 50

/**
 * Once a process, which may have several servers: what prom-client watches it with never ends. From the first question
 * on, since each look wakes a server that has nothing else to do.
 */
let watched: Registry | undefined

function metricsOfProcess(): Registry {
  if (watched !== undefined) return watched
  watched = new Registry()
  collectDefaultMetrics({ register: watched, eventLoopMonitoringPrecision: DELAY_LOOK_MS })
  return watched
}

/** `GET /metrics`: for Prometheus, in its text format. */
export function serveMetrics(app: FastifyInstance, measure: () => Measured): void {
  const registry = new Registry()
  const gauge = (name: string, help: string, pick: (measured: Measured) => number) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(pick(measure()))
      },
    })
  }
  const labelled = (name: string, help: string, label: string, counts: (measured: Measured) => Map<string, number>) => {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset()
        for (const [key, count] of counts(measure())) this.inc({ [label]: key }, count)
      },
    })
  }
  const counter = (name: string, help: string, pick: (measured: Measured) => number) => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(pick(measure()))
      },
    })
  }
  gauge('coweave_connections', 'Clients connected', ({ connections }) => connections)
  gauge('coweave_documents', 'Documents in memory', ({ documents }) => documents)
  gauge('coweave_idle_documents', 'Those of them that nobody has open', ({ idleDocuments }) => idleDocuments)
  counter('coweave_document_loads_total', 'Documents loaded from the log', ({ loads }) => loads)
  gauge('coweave_waiting_bytes', 'Bytes of updates that wait for storage', ({ waitingBytes }) => waitingBytes)
  counter('coweave_updates_total', 'Updates taken', ({ appended }) => appended)
  counter('coweave_updates_committed_total', 'Updates on disk, or given up', ({ committed }) => committed)
  counter('coweave_commit_failures_total', 'Commits that failed', ({ commits }) => commits.failed)
  counter('coweave_messages_received_total', 'Messages of clients', ({ traffic }) => traffic.messages)
  counter('coweave_received_bytes_total', 'Bytes of messages of clients', ({ traffic }) => traffic.messageBytes)
  counter('coweave_frames_sent_total', 'Messages to clients', ({ traffic }) => traffic.frames)
  counter('coweave_sent_bytes_total', 'Bytes of messages to clients', ({ traffic }) => traffic.frameBytes)
  labelled('coweave_refusals_total', 'What clients were refused', 'code', ({ traffic }) => traffic.refusals)
  labelled('coweave_closes_total', 'Connections that the server closed', 'code', ({ traffic }) => traffic.closes)
  measureRequests(app, registry)
  if (measure().isRelayUp !== undefined) {
    gauge('coweave_relay_up', 'Whether Redis relays: 1 or 0', ({ isRelayUp }) => Number(isRelayUp))
  }
  counter('coweave_relayed_total', 'Updates of other instances that Redis brought', ({ cluster }) => cluster.relayed)
  counter('coweave_repaired_total', 'Updates of other instances read from the log', ({ cluster }) => cluster.repaired)
  counter(
    'coweave_followed_delay_seconds_total',
    'How long after they were taken the updates of other instances came, in all',
    ({ cluster }) => cluster.lateMs / 1000,
  )
  const delivery = (key: keyof DeliveryCounts) => (measured: Measured) => measured.deliveries[key]
  counter('coweave_webhook_deliveries_total', 'Events that webhooks took', delivery('delivered'))
  counter('coweave_webhook_failures_total', 'Posts of events that webhooks did not take', delivery('failed'))
  counter('coweave_webhook_dead_total', 'Events that webhooks are not told of any more', delivery('dead'))
  gauge('coweave_webhook_waiting', 'Events to be posted to webhooks', ({ backlog }) => backlog.deliveries)
  gauge('coweave_webhook_oldest_seconds', 'How long the oldest of them waits', ({ backlog: { since } }) =>
    since === undefined ? 0 : Math.max(0, Date.now() - since) / 1000,
  )
  if (measure().pushes !== undefined) {
    const count = (key: keyof PushCounts) => (measured: Measured) => measured.pushes?.[key] ?? 0
    counter('coweave_pushes_total', 'Notifications that push services took', count('sent'))
    counter('coweave_pushes_failed_total', 'Notifications that push services did not take', count('failed'))
    counter('coweave_push_subscriptions_dropped_total', 'Subscriptions that are over', count('dropped'))
  }
  const description = describe({
    tag: 'operations',
    summary: 'Measurements for Prometheus',
    answers: { 200: { text: 'In its text format', content: ['text/plain'] } },
    isOpen: true,
  })
  app.get('/metrics', description, async (_request, reply) => {
    const all = [await metricsOfProcess().metrics(), await registry.metrics(), distributions(measure())]
    return reply.type(registry.contentType).send(all.join(''))
  })
}

/** What is observed too often for prom-client, which looks up labels and allocates each time. */
function distributions({ commits, traffic }: Measured): string {
  const all: [string, string, Distribution][] = [
    ['coweave_commit_seconds', 'How long commits took', commits.seconds],
    ['coweave_commit_updates', 'Updates in a commit', commits.updates],
    ['coweave_acknowledgement_seconds', 'From a message to its acknowledgement', traffic.acknowledgements],
    ['coweave_broadcast_seconds', 'From a change to telling a client of it', traffic.broadcasts],
  ]
  return all.map((each) => distributionText(...each)).join('')
}
