import type { ServerOptions } from 'node:https'
import type { Config } from '../config.ts'

/** How long a client may take to send an HTTP request. */
export const REQUEST_TIMEOUT_MS = 60_000
/** How often connections are looked through for those that don't send what they should, ms. */
const HANDSHAKE_CHECK_MS = 1_000

/** Who takes longer to send a request's headers is cut off, as who takes longer to authenticate. */
export function slowHandshakes({ AUTHENTICATION_TIMEOUT }: Config): ServerOptions {
  const headersTimeout = Math.min(AUTHENTICATION_TIMEOUT, REQUEST_TIMEOUT_MS)
  return {
    headersTimeout,
    handshakeTimeout: headersTimeout,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(HANDSHAKE_CHECK_MS, headersTimeout),
  }
}
