import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserRates } from '../connection/user-rates.ts'
import { HttpError } from './problem.ts'

/**
 * Counts a request that writes for `user`, beside what their sockets send. A request can't be made to wait as a socket
 * can: it is told when to come back.
 * @throws {HttpError} 429 `http/too-many-requests`, with `Retry-After`
 */
export function countRequest(rates: UserRates, user: string, { headers }: FastifyRequest, reply: FastifyReply): void {
  const waitMs = rates.waitMs(user)
  if (waitMs > 0) {
    void reply.header('Retry-After', Math.ceil(waitMs / 1000))
    throw new HttpError(429, 'http/too-many-requests', 'the user sends too much; try again a little later')
  }
  const bytes = Number(headers['content-length'])
  rates.spend(user, 1, Number.isSafeInteger(bytes) ? bytes : 0)
}
