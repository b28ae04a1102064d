import type { IncomingMessage } from 'node:http'

/**
 * Whose request it is. Behind `trustedProxies` proxies, each of which appends to `X-Forwarded-For` whom it heard it
 * from, that is the entry the outermost of them wrote; what stands before it is the client's own claim.
 */
export function clientAddress({ headers, socket }: IncomingMessage, trustedProxies: number): string {
  const peer = socket.remoteAddress ?? ''
  if (trustedProxies === 0) return peer
  const header = headers['x-forwarded-for']
  const forwarded = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((entry) => entry.trim())
  return forwarded.at(-trustedProxies) || peer
}
