import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

const HEADER = 'x-request-id'
/** What may stand in logs as it came. */
const ID = /^[\w.:-]{1,128}$/

/** The id that a proxy has given to a request, or a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[HEADER]
  return typeof given === 'string' && ID.test(given) ? given : randomUUID()
}

/** Says in each answer what the request is called in the log. */
export function tellRequestIds(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    void reply.header(HEADER, request.id)
  })
  app.addHook('onResponse', async (request, { statusCode, elapsedTime }) => {
    const { method, routeOptions } = request
    request.log.debug({ method, route: routeOptions.url, status: statusCode, ms: elapsedTime }, 'request answered')
  })
}
