import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { TextCursor } from '../../persistence/text-index.ts'
import type { Tokens } from '../access/tokens.ts'
import type { DocumentSearch } from '../search/document-search.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'

const cursor = z
  .string()
  .regex(/^-?\d+(\.\d+)?(e[+-]?\d+)?:\d{1,15}$/, 'is not the `next` of a page')
  .describe('The `next` of the page before')

const searchQuery = z.object({
  q: z.string().trim().min(1).max(200).describe('Words; the last one may be the beginning of a word'),
  prefix: z.string().max(255).default('').describe('With what the names of documents begin'),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  before: cursor.optional(),
})

const excerptPart = z.object({
  text: z.string(),
  marked: z.literal(true).optional().describe('Where this is a word that was searched for'),
})

const hits = z.object({
  documents: z.array(
    z.object({
      name: z.string(),
      position: z.int().describe('The position that the excerpt is of'),
      updatedAt: z.int(),
      excerpt: z.array(excerptPart).describe('A piece of the text, in parts to put together'),
    }),
  ),
  next: z.string().optional().describe('What to give as `before` to go on'),
})

export interface DocumentSearchApi {
  readonly tokens: Tokens
  readonly search: DocumentSearch
}

/** `GET /api/search/documents`: those that the token may read and that have the words, the best first (docs/rest.md). */
export function serveDocumentSearch(app: FastifyInstance, { tokens, search }: DocumentSearchApi): void {
  const description = describe({
    tag: 'documents',
    summary: 'Search documents',
    details: 'By what they say. Messages are searched by a route of their own.',
    query: searchQuery,
    answers: { 200: { text: 'What was found, the best first', content: hits } },
  })
  app.get('/api/search/documents', description, async (request, reply) => {
    const principal = await authenticate(request, tokens)
    const { q, prefix, limit, before } = parse(searchQuery, request.query)
    const wanted = { query: q, prefix, limit, before: before === undefined ? undefined : cursorIn(before) }
    const found = await search.find(principal, wanted)
    const next = found.next && `${found.next.score}:${found.next.id}`
    void reply.header('Cache-Control', 'no-store')
    return { documents: found.documents, ...(next !== undefined && { next }) }
  })
}

function cursorIn(text: string): TextCursor {
  const [score, id] = text.split(':')
  return { score: Number(score), id: Number(id) }
}
