import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

/** Structured logs, a JSON line an entry; errors stand under `error`, with their code, cause and stack. */
export function createLogger({ LOG_LEVEL }: Pick<Config, 'LOG_LEVEL'>): Logger {
  return pino({ level: LOG_LEVEL, serializers: { error: pino.stdSerializers.errWithCause } })
}
