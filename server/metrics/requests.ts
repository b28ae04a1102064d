import type { FastifyInstance } from 'fastify'
import { Counter, Histogram, type Registry } from 'prom-client'
import { onRequestEnd } from '../http/request-end.ts'
import { SECONDS } from './distribution.ts'

/** Counts requests over HTTP by the routes as they are declared, so that nobody makes up labels. */
export function measureRequests(app: FastifyInstance, registry: Registry): void {
  const requests = new Counter({
    name: 'coweave_http_requests_total',
    help: 'Requests over HTTP',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  })
  const seconds = new Histogram({
    name: 'coweave_http_request_seconds',
    help: 'How long requests over HTTP took until they were answered whole, or their clients left',
    labelNames: ['route'],
    buckets: [...SECONDS],
    registers: [registry],
  })
  onRequestEnd(app, ({ method, routeOptions }, { status, ms }) => {
    const route = routeOptions.url ?? 'none'
    requests.inc({ method, route, status })
    seconds.observe({ route }, ms / 1_000)
  })
}
