import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Conversions } from '../conversions/conversions.ts'
import type { Deletions } from '../documents/deletions.ts'
import { neverWritten } from '../documents/never-written.ts'
import type { Visits } from '../documents/visits.ts'
import { messageShape } from '../rooms/chat-rules.ts'
import type { Posting } from '../rooms/posting.ts'
import { authorOf, documentParameters } from './document-admission.ts'
import { admitTo } from './history.ts'
import { withPlace } from './named-place.ts'
import { countRequest } from './rate.ts'
import { parse } from './request.ts'
import { anything, describe } from './route-description.ts'

/** How many messages one answer looks through. */
const MAX_SCANNED = 1_000
const SCANNED_AT_ONCE = 200

const { id, text, mentions, replyTo } = messageShape.shape
const commentBody = withPlace({ id: id.exactOptional(), text, mentions, replyTo })
const listQuery = z.object({
  before: z.coerce.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
  limit: z.coerce.number().int().min(1).max(100).default(100),
})
/** A message in the archive, as far as it matters here. */
const archived = z.looseObject({ anchor: messageShape.shape.anchor, deletedAt: z.int().optional() })
const commentAnswer = anything.describe('The message, with `quote`: the text that it is about, unless that is gone')

export interface CommentsApi {
  readonly access: Access
  readonly log: UpdateLog
  readonly conversions: Conversions
  readonly posting: Posting
  readonly visits: Visits
  readonly deletions: Deletions
  readonly rates: UserRates
}

/**
 * Comments on places in a document: messages of the chat beside it that have an anchor:
 * - `GET /api/documents/<name>/comments`: the newest, or those before a `seq`;
 * - `POST`: comments on a text or a block, in the name of the token.
 */
export function serveComments(app: FastifyInstance, api: CommentsApi): void {
  const { log, conversions, posting, visits, rates } = api
  const listing = describe({
    tag: 'documents',
    summary: 'Comments on places in a document',
    details: 'Messages of the chat beside it, with the text that each is about now.',
    parameters: documentParameters,
    query: listQuery,
    answers: {
      200: {
        text: 'A page, oldest first',
        content: z.object({
          comments: z.array(commentAnswer),
          next: z.int().optional().describe('What to give as `before` to go on'),
        }),
      },
    },
  })
  app.get('/api/documents/:name/comments', listing, async (request, reply) => {
    const { name, user } = await admitTo(request, api, 'read')
    const { before, limit } = parse(listQuery, request.query)
    const { found, next } = await commentsIn(`chat/${name}`, before, limit)
    const anchors = found.flatMap(({ anchor }) => anchor ?? [])
    const quotes = await conversions.quotes(user, name, anchors)
    const comments = found.map((message, index) => ({ ...message, quote: quotes[index] ?? undefined }))
    void reply.header('Cache-Control', 'no-store')
    return { comments, ...(next === undefined ? {} : { next }) }
  })

  const commenting = describe({
    tag: 'documents',
    summary: 'Comment on a place in a document',
    details:
      'It needs `comment`. With an `id` (a UUID of version 7), the same comment again is answered with the first one.',
    parameters: documentParameters,
    body: commentBody,
    answers: {
      201: { text: 'It is on disk', content: commentAnswer },
      200: { text: 'It was there', content: commentAnswer },
    },
  })
  app.post('/api/documents/:name/comments', commenting, async (request, reply) => {
    const { name, author, user } = await admitTo(request, api, 'comment')
    countRequest(rates, user, request, reply)
    const { id, text, mentions, replyTo, ...place } = parse(commentBody, request.body)
    const room = `chat/${name}`
    const known = id === undefined ? undefined : await posting.posted(room, id, author)
    // By now its place may read otherwise.
    const anchor = known === undefined ? await conversions.locate(user, name, place) : undefined
    if (known === undefined && anchor === undefined) throw neverWritten(name)
    const about = known === undefined ? anchor : archived.parse(JSON.parse(known.json)).anchor
    // Before it is stored: what fails from then on would be told as if it weren't.
    const [quote] = await conversions.quotes(user, name, about === undefined ? [] : [about])
    const draft = {
      text,
      ...(anchor === undefined ? {} : { anchor }),
      ...(mentions === undefined ? {} : { mentions }),
      ...(replyTo === undefined ? {} : { replyTo }),
    }
    const commenter = await authorOf(api.access, author.principal, room, 'comment')
    const posted =
      known === undefined
        ? await posting.post({ room, author: commenter, draft, id })
        : { message: known, isNew: false }
    await visits.wrote(name, author, anchor)
    const message = archived.parse(JSON.parse(posted.message.json))
    return reply.status(posted.isNew ? 201 : 200).send({ ...message, quote: quote ?? undefined })
  })

  /** The newest ones before a `seq`, oldest first. */
  async function commentsIn(room: string, before: number, limit: number) {
    const found: z.infer<typeof archived>[] = []
    let next: number | undefined = before
    for (let scanned = 0; scanned < MAX_SCANNED && next !== undefined; scanned += SCANNED_AT_ONCE) {
      const page = await log.messages.list(room, { before: next, limit: SCANNED_AT_ONCE })
      next = page.length < SCANNED_AT_ONCE ? undefined : page[0]?.seq
      for (const { seq, json } of page.toReversed()) {
        const message = archived.parse(JSON.parse(json))
        if (message.anchor === undefined || message.deletedAt !== undefined) continue
        if (found.push(message) === limit) return { found: found.reverse(), next: seq > 1 ? seq : undefined }
      }
    }
    return { found: found.reverse(), next }
  }
}
