import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { Principal } from '../access/grants.ts'
import type { Restrictions } from '../admin/restrictions.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Documents } from '../documents/documents.ts'
import type { Durability } from '../documents/durability.ts'
import { DocumentSource } from '../events/document-source.ts'
import type { EventBus } from '../events/event-bus.ts'
import { EventTail } from '../events/event-tail.ts'
import type { OpenStreams } from '../events/open-streams.ts'
import { readableSource } from '../events/readable-source.ts'
import { type StreamSource, stream } from '../events/sse.ts'
import { userEvents } from '../events/user-events.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { admit, documentParameters } from './document-admission.ts'
import { HttpError } from './problem.ts'
import { countRequest } from './rate.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'
import { corsHeaders } from './sync.ts'

/** Streams of one user, and of all on an instance. */
export const MAX_USER_STREAMS = 20
const MAX_STREAMS = 2_000

const number = z.string().regex(/^\d{1,15}$/, 'is not a position, nor the number of an event')
const place = z.string().regex(/^\d{1,15}-\d{1,15}$/, 'is not the id of an event of this stream')
const query = z.strictObject({ after: number.transform(Number).optional() })
const headers = z.object({ 'last-event-id': z.string().optional().describe('Counts instead of `after`') })

export interface LiveEventsApi {
  readonly access: Access
  readonly restrictions: Pick<Restrictions, 'isRevoked'>
  readonly log: UpdateLog
  readonly durability: Durability
  readonly documents: Documents
  readonly rooms: Rooms
  readonly bus: EventBus
  readonly streams: OpenStreams
  readonly rates: UserRates
  readonly config: { readonly PING_INTERVAL: number }
}

/**
 * Server-sent events for clients (docs/events.md), from now on, behind `after`, or behind `Last-Event-ID`:
 * - `GET /api/documents/<name>/events`: updates, messages, named versions and presence, for who may read the document;
 * - `GET /api/me/events`: the notifications and calls of the token's user, and who comes and goes in lobbies they may read.
 */
export function serveLiveEvents(app: FastifyInstance, api: LiveEventsApi): void {
  const { access, restrictions, log, durability, documents, rooms, bus, streams, rates, config } = api
  const tail = new EventTail({ events: log.events, bus })
  const counts = new Map<string, number>()
  let count = 0

  /** Runs a stream, one of a bounded number, of a document or of none. @throws {HttpError} before it has begun */
  async function run(user: string, document: string, work: (kicked: AbortSignal) => Promise<void>): Promise<void> {
    const own = counts.get(user) ?? 0
    if (bus.isClosed) throw new HttpError(503, 'events/stopping', 'the server is stopping; ask again')
    if (own >= MAX_USER_STREAMS || count >= MAX_STREAMS)
      throw new HttpError(429, 'events/too-many-streams', 'there are too many streams of events; close some')
    counts.set(user, own + 1)
    count += 1
    try {
      await streams.run(user, document, work)
    } finally {
      count -= 1
      const left = (counts.get(user) ?? 1) - 1
      if (left > 0) counts.set(user, left)
      else counts.delete(user)
    }
  }

  /** Until the token ends or is revoked, or its user is sent away. */
  async function send(
    request: FastifyRequest,
    reply: FastifyReply,
    source: StreamSource,
    { principal, kicked }: { readonly principal: Principal; readonly kicked: AbortSignal },
  ) {
    const isRevoked = () => restrictions.isRevoked(principal)
    const limits = { heartbeatMs: config.PING_INTERVAL, endsAt: principal.expires, isRevoked, kicked }
    reply.hijack()
    try {
      await stream(reply.raw, corsHeaders(reply), source, limits)
    } catch (error) {
      request.log.error({ error }, 'a stream of events was cut off')
    }
  }

  const answers = { 200: { text: 'Events', content: ['text/event-stream'] } }
  const ofDocument = describe({
    tag: 'documents',
    summary: 'Be told of what happens in a document, as server-sent events',
    details: 'Updates behind the position `after`, or from now on; messages, named versions, and presence.',
    parameters: documentParameters,
    query,
    headers,
    answers,
  })
  app.get('/api/documents/:name/events', { ...ofDocument, exposeHeadRoute: false }, async (request, reply) => {
    const { name, author } = await admit(request, access, () => 'read')
    const { principal } = author
    const { user } = principal
    countRequest(rates, user, request, reply)
    const { after } = parse(query, request.query)
    const lastId = request.headers['last-event-id']
    const known = lastId === undefined ? undefined : parse(place, lastId).split('-').map(Number)
    await run(user, name, (kicked) =>
      rooms.withDocument(name, async (document) => {
        const [position, event = await tail.last()] = known ?? []
        // Only now: while that was read the document may have been forgotten.
        const open = documents.get(document)
        if (open === undefined) throw new HttpError(503, 'document/unavailable', 'the document is being loaded anew')
        const begin = { position: position ?? after ?? open.cursor.position, event }
        const source = new DocumentSource({ log, durability, tail, open, after: begin })
        try {
          await send(request, reply, readableSource(source, access, name, principal), { principal, kicked })
        } finally {
          source.close()
        }
      }),
    )
    return reply
  })

  const ofUser = describe({
    tag: 'inbox',
    summary: 'Be told of one’s notifications and calls, and of who comes and goes, as server-sent events',
    details: 'Behind the event with the number `after`, or from now on.',
    query,
    headers,
    answers,
  })
  app.get('/api/me/events', { ...ofUser, exposeHeadRoute: false }, async (request, reply) => {
    const principal = await authenticate(request, access)
    countRequest(rates, principal.user, request, reply)
    const { after } = parse(query, request.query)
    const lastId = request.headers['last-event-id']
    const known = lastId === undefined ? after : Number(parse(number, lastId))
    await run(principal.user, '', async (kicked) => {
      const source = userEvents(tail, access, principal, known ?? (await tail.last()))
      await send(request, reply, source, { principal, kicked })
    })
    return reply
  })
}
