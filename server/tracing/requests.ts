import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { onRequestEnd } from '../http/request-end.ts'
import { tracer } from './spans.ts'

/** Asked for all the time by machines. */
const UNTRACED: ReadonlySet<string> = new Set(['/metrics', '/health/live', '/health/ready'])

/** A span for each request over HTTP, under that of the caller (`traceparent`). */
export function traceRequests(app: FastifyInstance): void {
  const spans = new WeakMap<FastifyRequest, Span>()
  app.addHook('onRequest', (request, _reply, done) => {
    const { method, headers, id } = request
    const route = request.routeOptions.url ?? 'none'
    if (UNTRACED.has(route)) {
      done()
      return
    }
    const parent = propagation.extract(context.active(), headers)
    const attributes = { 'http.request.method': method, 'http.route': route, 'coweave.request': id }
    const span = tracer.startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent)
    spans.set(request, span)
    context.with(trace.setSpan(parent, span), done)
  })
  onRequestEnd(app, (request, { status }) => {
    const span = spans.get(request)
    span?.setAttribute('http.response.status_code', status)
    if (status >= 500) span?.setStatus({ code: SpanStatusCode.ERROR })
    span?.end()
  })
}
