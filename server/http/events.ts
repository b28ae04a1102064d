import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { AccessError } from '../access/access-error.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Restrictions } from '../admin/restrictions.ts'
import type { EventBus } from '../events/event-bus.ts'
import { streamEvents, toldEvent } from '../events/event-stream.ts'
import type { OpenStreams } from '../events/open-streams.ts'
import { HttpError } from './problem.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'
import { corsHeaders } from './sync.ts'

/** Back ends of products read them, of which there are few. */
export const MAX_STREAMS = 100

const number = z
  .string()
  .regex(/^\d{1,15}$/, 'is not the number of an event')
  .transform(Number)

const eventsQuery = z.strictObject({
  after: number.default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  kind: z.string().min(1).max(64).optional(),
})

export interface EventsApi {
  readonly tokens: Tokens
  readonly log: UpdateLog
  readonly bus: EventBus
  readonly restrictions: Pick<Restrictions, 'isRevoked'>
  readonly streams: OpenStreams
  readonly config: { readonly PING_INTERVAL: number }
}

/**
 * `GET /api/events`, with an admin's token: what happened, oldest first, from behind the event with the number `after`, of
 * all kinds or one. With `Accept: text/event-stream` the answer goes on with what happens next, and `Last-Event-ID`
 * counts instead of `after`.
 */
export function serveEvents(
  app: FastifyInstance,
  { tokens, log, bus, restrictions, streams, config }: EventsApi,
): void {
  let count = 0

  const description = describe({
    tag: 'operations',
    summary: 'Read what happened, with an admin’s token',
    details: 'With `Accept: text/event-stream` the answer goes on with what happens next.',
    query: eventsQuery,
    headers: z.object({ 'last-event-id': z.string().optional().describe('Counts instead of `after`') }),
    answers: { 200: { text: 'Events, oldest first', content: ['application/json', 'text/event-stream'] } },
  })
  app.get('/api/events', { ...description, exposeHeadRoute: false }, answer)
  app.get('/api/changes', { ...description, exposeHeadRoute: false }, answer)

  async function answer(request: FastifyRequest, reply: FastifyReply) {
    const principal = await authenticate(request, tokens)
    if (!principal.admin) throw new AccessError('access/not-admin', CloseCode.Forbidden, 'the token is not an admin’s')
    const { after, limit, kind } = parse(eventsQuery, request.query)
    if (request.headers.accept?.includes('text/event-stream') !== true) {
      const events = await log.events.read({ after, limit, kind })
      void reply.header('Cache-Control', 'no-store')
      return { events: events.map(toldEvent), next: events.at(-1)?.number ?? after }
    }
    const lastId = request.headers['last-event-id']
    const last = lastId === undefined ? after : parse(number, lastId)
    if (bus.isClosed) throw new HttpError(503, 'events/stopping', 'the server is stopping; ask again')
    if (count >= MAX_STREAMS) {
      throw new HttpError(503, 'events/too-many-streams', `there are ${MAX_STREAMS} streams of events; close some`)
    }
    count += 1
    reply.hijack()
    try {
      await streams.run(principal.user, '', (kicked) =>
        streamEvents(reply.raw, corsHeaders(reply), {
          events: log.events,
          bus,
          after: last,
          kind,
          heartbeatMs: config.PING_INTERVAL,
          endsAt: principal.expires,
          isRevoked: () => restrictions.isRevoked(principal),
          kicked,
        }),
      )
    } catch (error) {
      request.log.error({ error }, 'a stream of events was cut off')
    } finally {
      count -= 1
    }
    return reply
  }
}
