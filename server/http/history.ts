import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { Level } from '../access/grants.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Deletions } from '../documents/deletions.ts'
import type { Exchange } from '../documents/exchange.ts'
import type { Author } from '../documents/guard.ts'
import { DOCUMENT_RESET } from '../documents/retired-clients.ts'
import type { History } from '../history/history.ts'
import { admit, documentParameters, refuseRooms } from './document-admission.ts'
import { HttpError } from './problem.ts'
import { countRequest } from './rate.ts'
import { parse } from './request.ts'
import { anything, describe } from './route-description.ts'

const PAUSE_MS = 5 * 60_000
const JSON_TYPE = 'application/json; charset=utf-8'

// Positions that a document doesn't have, the history refuses, saying which it has.
const position = z.coerce.number().int()
const time = z.coerce.number().int().min(0)

const sessionsQuery = z.object({
  before: z.coerce.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  pause: z.coerce.number().int().min(0).default(PAUSE_MS),
})
const atQuery = z.object({ at: time })
const positionQuery = z.object({ position: position.optional() })
const rangeQuery = z.object({ from: z.literal('seen').or(position), to: position.optional() })
const restoreBody = z.strictObject({ position: z.number().int() })
const undoBody = z
  .strictObject({
    user: z.string().optional(),
    since: z.number().int().min(0).optional(),
    after: z.number().int().optional(),
  })
  .refine(({ since, after }) => (since === undefined) !== (after === undefined), 'give either since or after')

const takenBack = z.object({ before: z.int().describe('The position before'), changed: z.boolean() })

export interface HistoryApi {
  readonly access: Access
  readonly log: UpdateLog
  readonly history: History
  readonly exchange: Exchange
  readonly deletions: Deletions
  readonly rates: UserRates
}

/**
 * What a document was like, who wrote it, and how to have it back; `read` to look, `write` to change. Rooms have none:
 * - `GET …/history?before=&limit=&pause=`: who edited from when to when, newest first;
 * - `GET …/position?at=`: the position at a time, ms;
 * - `GET …/state?position=`: the document as it was, as a Yjs update;
 * - `GET …/diff?from=&to=`: what changed; `from=seen` is up to where one has seen it (versions.ts);
 * - `GET …/blame?position=`: who wrote each part;
 * - `POST …/restore` `{ position }`: takes back all that was done since;
 * - `POST …/undo` `{ user, since | after }`: takes back what one user did since.
 */
export function serveHistory(app: FastifyInstance, api: HistoryApi): void {
  const { log, history, exchange, rates } = api
  app.get(
    '/api/documents/:name/history',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'Who edited a document, from when to when',
      query: sessionsQuery,
      answers: { 200: { text: 'Sessions, newest first', content: anything } },
    }),
    async (request, reply) => {
      const { name, user } = await admitTo(request, api, 'read')
      const { before, limit, pause } = parse(sessionsQuery, request.query)
      void reply.header('Cache-Control', 'no-store')
      return await history.sessions(user, name, { before, limit, pauseMs: pause })
    },
  )

  app.get(
    '/api/documents/:name/position',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'The position that a document had at a time',
      query: atQuery,
      answers: { 200: { text: 'The position', content: z.object({ position: z.int() }) } },
    }),
    async (request, reply) => {
      const { name } = await admitTo(request, api, 'read')
      const { at } = parse(atQuery, request.query)
      void reply.header('Cache-Control', 'no-store')
      return { position: await history.positionAt(name, at) }
    },
  )

  app.get(
    '/api/documents/:name/state',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'A document as it was',
      query: positionQuery,
      answers: { 200: { text: 'A Yjs update', content: ['application/octet-stream'] } },
    }),
    async (request, reply) => {
      const { name, user } = await admitTo(request, api, 'read')
      const { position } = parse(positionQuery, request.query)
      const update = await history.state(user, name, position ?? (await history.lastPosition(name)))
      return reply.header('Cache-Control', 'no-store').type('application/octet-stream').send(Buffer.from(update))
    },
  )

  app.get(
    '/api/documents/:name/diff',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'What changed between two positions, and by whom',
      query: rangeQuery,
      answers: { 200: { text: 'The difference', content: anything } },
    }),
    async (request, reply) => {
      const { name, user } = await admitTo(request, api, 'read')
      const { from, to } = parse(rangeQuery, request.query)
      const start = from === 'seen' ? await seenOr(name, user) : from
      sendJson(reply, await history.difference(user, name, start, to ?? (await history.lastPosition(name))))
      return reply
    },
  )

  app.get(
    '/api/documents/:name/blame',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'Who wrote each part of a document',
      query: positionQuery,
      answers: { 200: { text: 'Its content, each part with its author', content: anything } },
    }),
    async (request, reply) => {
      const { name, user } = await admitTo(request, api, 'read')
      const { position } = parse(positionQuery, request.query)
      sendJson(reply, await history.blame(user, name, position ?? (await history.lastPosition(name))))
      return reply
    },
  )

  app.post(
    '/api/documents/:name/restore',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'Take back all that was done since a position',
      body: restoreBody,
      answers: { 200: { text: 'It is on disk', content: takenBack } },
    }),
    async (request, reply) => {
      const { name, author } = await admitTo(request, api, 'write')
      countRequest(rates, author.principal.user, request, reply)
      const { position } = parse(restoreBody, request.body)
      await history.refuseOutside(name, position)
      if (position < (await log.epoch(name))) {
        const problem = `${name} was reset since position ${position}: it can only be reset to what it was then`
        throw new HttpError(409, DOCUMENT_RESET, problem)
      }
      return await takeBack(name, author, { after: position })
    },
  )

  app.post(
    '/api/documents/:name/undo',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'Take back what one user did',
      body: undoBody,
      answers: { 200: { text: 'It is on disk', content: takenBack } },
    }),
    async (request, reply) => {
      const { name, author, user } = await admitTo(request, api, 'write')
      countRequest(rates, user, request, reply)
      const { user: whose = user, since, after } = parse(undoBody, request.body)
      const start = after ?? (await history.positionAt(name, (since ?? 0) - 1))
      return await takeBack(name, author, { after: Math.max(start, await log.epoch(name)), author: whose })
    },
  )

  /** Up to where a user has seen a document, or where its history begins. */
  async function seenOr(name: string, user: string): Promise<number> {
    const [seen, start] = await Promise.all([log.seen.find(name, user), log.retention.historyStart(name)])
    return Math.max(seen?.position ?? 0, start.position)
  }

  /** What is written meanwhile stays: only what was committed before is taken back. */
  async function takeBack(name: string, author: Author, what: { readonly after: number; readonly author?: string }) {
    const before = await history.lastPosition(name)
    const update = await history.reverting(author.principal.user, name, { ...what, until: before })
    if (update !== undefined) await exchange.take(name, author, update)
    return { before, changed: update !== undefined }
  }
}

/**
 * As admit(). @throws {HttpError} 409 `document/is-room`: what was deleted in a room is nobody's to read or bring back
 * @throws {CoweaveError} `document/deleted`
 */
export async function admitTo(
  request: FastifyRequest,
  { access, deletions }: { readonly access: Access; readonly deletions: Deletions },
  needed: Level,
): Promise<{ name: string; author: Author; user: string }> {
  const { name, author } = await admit(request, access, () => needed)
  refuseRooms(name)
  await deletions.refuse(name)
  return { name, author, user: author.principal.user }
}

/** The threads write JSON: reading it and writing it again would hold up everybody else. */
function sendJson(reply: FastifyReply, json: string): void {
  void reply.header('Cache-Control', 'no-store').type(JSON_TYPE).send(json)
}
