import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { onRequestEnd } from './request-end.ts'

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
  onRequestEnd(app, (request, end) => {
    const { method, routeOptions } = request
    request.log.debug({ method, route: routeOptions.url, ...end }, 'request answered')
  })
}
