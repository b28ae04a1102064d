import { hostname } from 'node:os'
import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'

/** A collector that is away must not keep the server from stopping. */
const EXPORT_TIMEOUT_MS = 2_000

export interface TracingOptions {
  /** Of the collector, without `/v1/traces`. */
  readonly endpoint: string
  /** The share of traces that are told, 0 to 1; where a caller has begun one, it decides. */
  readonly ratio: number
  readonly logger: Logger
}

/**
 * Tells a collector, over OTLP/HTTP, what takes how long. Whoever doesn't want that doesn't load this. For one server in a
 * process; returns how to send what is left and end.
 */
export function startTracing({ endpoint, ratio, logger }: TracingOptions): () => Promise<void> {
  const warn = (message: string, ...details: unknown[]) => logger.warn({ details }, `traces: ${message}`)
  const quiet = () => {}
  diag.setLogger({ error: warn, warn, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN)
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'coweave',
      'service.instance.id': `${hostname()}:${process.pid}`,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_TIMEOUT_MS })],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  return () => provider.shutdown()
}
