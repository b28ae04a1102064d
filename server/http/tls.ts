import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { FastifyServerFactory } from 'fastify'
import { CoweaveError } from '../../model/errors.ts'
import type { Config } from '../config.ts'
import { slowHandshakes } from './timeouts.ts'

export interface TlsOptions {
  readonly serverFactory?: FastifyServerFactory
}

/** @throws {CoweaveError} `config/invalid` for files that can't be read, or are no certificate with its key */
export function readTls(config: Config): TlsOptions {
  const { TLS_CERT, TLS_KEY } = config
  if (TLS_CERT === undefined || TLS_KEY === undefined) return {}
  try {
    const files = { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) }
    createSecureContext(files)
    return { serverFactory: (handler) => createServer({ ...files, ...slowHandshakes(config) }, handler) }
  } catch (cause) {
    throw new CoweaveError('config/invalid', `wrong settings:\n  TLS_CERT, TLS_KEY: ${String(cause)}`, { cause })
  }
}
