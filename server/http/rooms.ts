import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { callMedia, callsIn } from '../../model/calls.ts'
import { parseDocumentName } from '../../model/document-name.ts'
import { chatRoomOf } from '../../model/rooms.ts'
import type { ArchivedMessage } from '../../persistence/message-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { Level, Principal } from '../access/grants.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Deletions } from '../documents/deletions.ts'
import type { Author } from '../documents/guard.ts'
import { messageShape } from '../rooms/chat-rules.ts'
import type { Posting } from '../rooms/posting.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { HttpError } from './problem.ts'
import { countRequest } from './rate.ts'
import { authenticate, parse } from './request.ts'
import { anything, describe } from './route-description.ts'

/** How often one search asks the archive again for want of rooms that the token may read. */
const MAX_SEARCHES = 10

const limit = z.coerce.number().int().min(1).max(100).default(100)
const before = z.coerce.number().int().min(1).default(Number.MAX_SAFE_INTEGER)

const pageQuery = z.object({ before, limit })

const searchQuery = z.object({
  q: z.string().trim().min(1).max(200),
  room: z.string().max(255).optional(),
  before,
  limit,
})

const { id, text, replyTo, mentions, anchor, attachments } = messageShape.shape
const postBody = z.strictObject({ id: id.exactOptional(), text, replyTo, mentions, anchor, attachments })

const roomParameters = z.object({
  room: z.string().describe('The name of a room, percent-encoded: `chat%2Fnotes%2Fplan`'),
})
const callShape = z.object({
  id: z.string(),
  from: z.string(),
  to: z.array(z.string()),
  media: z.enum(callMedia),
  state: z.enum(['ringing', 'answered', 'declined', 'missed', 'cancelled', 'ended', 'failed']),
  at: z.int(),
  answeredAt: z.int().optional(),
  endedAt: z.int().optional(),
  duration: z.int().optional().describe('From answer to end, ms'),
  parties: z.array(z.object({ user: z.string(), state: z.string(), device: z.string().optional() })),
})
const messagePage = z.object({
  messages: z.array(anything),
  next: z.int().optional().describe('What to give as `before` to go on'),
})

export interface RoomsApi {
  readonly access: Access
  readonly log: UpdateLog
  readonly rooms: Pick<Rooms, 'withDocument'>
  readonly posting: Posting
  readonly rates: UserRates
  readonly deletions: Deletions
}

/**
 * The messages and calls of chat rooms over HTTP:
 * - `GET /api/rooms/<room>/messages`: the newest page, or the one before the `seq` given as `before`;
 * - `GET /api/search/messages`: in all rooms that the token may read, or in one, newest first;
 * - `POST /api/rooms/<room>/messages`: for programs, which need not speak Yjs;
 * - `GET /api/rooms/<room>/calls`: the calls that are under way, and the last ones that are over.
 */
export function serveRooms(app: FastifyInstance, { access, log, rooms, posting, rates, deletions }: RoomsApi): void {
  const reading = describe({
    tag: 'chat',
    summary: 'Read the messages of a room',
    parameters: roomParameters,
    query: pageQuery,
    answers: { 200: { text: 'A page, oldest first', content: messagePage } },
  })
  app.get('/api/rooms/:room/messages', reading, async (request, reply) => {
    const { room } = await admit(request, access, 'read')
    await deletions.refuse(room)
    const options = parse(pageQuery, request.query)
    const messages = await log.messages.list(room, options)
    const [first] = messages
    const hasMore = first !== undefined && first.seq > 1 && messages.length === options.limit
    sendMessages(
      reply,
      messages.map(({ json }) => json),
      hasMore ? first.seq : undefined,
    )
    return reply
  })

  const searching = describe({
    tag: 'chat',
    summary: 'Search messages',
    query: searchQuery,
    answers: { 200: { text: 'What was found, newest first', content: messagePage } },
  })
  app.get('/api/search/messages', searching, async (request, reply) => {
    const principal = await authenticate(request, access)
    const query = parse(searchQuery, request.query)
    if (query.room !== undefined) {
      await levelFor(access, query.room, principal, 'read')
      await deletions.refuse(query.room)
    }
    const found: ArchivedMessage[] = []
    const unreadable = new Set<string>()
    const known = new Set<string>()
    let next: number | undefined = query.before
    for (let searches = 0; searches < MAX_SEARCHES && next !== undefined && found.length < query.limit; searches += 1) {
      const page = await log.messages.search(query.q, {
        ...(query.room === undefined ? { except: [...unreadable] } : { room: query.room }),
        before: next,
        limit: query.limit - found.length,
      })
      next = page.next
      const rooms = [...new Set(page.messages.map(({ room }) => room))].filter((room) => !known.has(room))
      const areDeleted = await deletions.areDeleted(rooms)
      const readable = await access.readable(rooms, principal)
      rooms.forEach((room, index) => {
        known.add(room)
        if (areDeleted[index] || !readable.has(room)) unreadable.add(room)
      })
      for (const message of page.messages) {
        if (!unreadable.has(message.room)) found.push(message)
      }
    }
    sendMessages(
      reply,
      found.map(({ room, json }) => `{"room":${JSON.stringify(room)},${json.slice(1)}`),
      next,
    )
    return reply
  })

  const sending = describe({
    tag: 'chat',
    summary: 'Post a message',
    details: 'With an `id`, the same message again is answered with the first one.',
    parameters: roomParameters,
    body: postBody,
    answers: { 201: { text: 'It is on disk', content: anything }, 200: { text: 'It was there', content: anything } },
  })
  app.post('/api/rooms/:room/messages', sending, async (request, reply) => {
    const { room, author } = await admit(request, access, 'comment')
    countRequest(rates, author.principal.user, request, reply)
    const { id, ...draft } = parse(postBody, request.body)
    const { message, isNew } = await posting.post({ room, author, draft, id })
    return reply
      .status(isNew ? 201 : 200)
      .type(JSON_TYPE)
      .send(message.json)
  })

  const listing = describe({
    tag: 'chat',
    summary: 'The calls of a room',
    details: 'Those that are under way, and the last ones that are over.',
    parameters: roomParameters,
    answers: { 200: { text: 'Oldest first', content: z.object({ calls: z.array(callShape) }) } },
  })
  app.get('/api/rooms/:room/calls', listing, async (request, reply) => {
    const { room } = await admit(request, access, 'read')
    await deletions.refuse(room)
    void reply.header('Cache-Control', 'no-store')
    return { calls: await rooms.withDocument(room, callsIn) }
  })
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** The archive keeps messages as JSON: reading it and writing it again would cost more than everything else here. */
function sendMessages(reply: FastifyReply, messages: readonly string[], next: number | undefined): void {
  const more = next === undefined ? '' : `,"next":${next}`
  void reply.type(JSON_TYPE).send(`{"messages":[${messages.join(',')}]${more}}`)
}

/** @throws {AccessError} when the token doesn't let in  @throws {CoweaveError} when the path names no room */
async function admit(
  request: FastifyRequest,
  access: Access,
  needed: Level,
): Promise<{ room: string; author: Author }> {
  const principal = await authenticate(request, access)
  const { room } = parse(roomParameters, request.params)
  return { room, author: { principal, level: await levelFor(access, room, principal, needed) } }
}

/** @throws {AccessError} `access/no-grant`  @throws {HttpError} 404 `chat/no-such-room` */
async function levelFor(access: Access, room: string, principal: Principal, needed: Level): Promise<Level> {
  const found = chatRoomOf(parseDocumentName(room))
  if (found === undefined || found.segment !== undefined)
    throw new HttpError(404, 'chat/no-such-room', `"${room}" is not the name of a room`)
  return await access.need(room, principal, needed)
}
