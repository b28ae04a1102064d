import { trace } from '@opentelemetry/api'
import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

/** Structured logs, a JSON line an entry; errors stand under `error`, with their code, cause and stack. */
export function createLogger({ LOG_LEVEL }: Pick<Config, 'LOG_LEVEL'>): Logger {
  return pino({ level: LOG_LEVEL, serializers: { error: pino.stdSerializers.errWithCause }, mixin: traceOf })
}

/** The trace that a line belongs to, where there is one. */
function traceOf(): { trace?: string } {
  const span = trace.getActiveSpan()
  return span === undefined ? {} : { trace: span.spanContext().traceId }
}
