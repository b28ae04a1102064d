import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { besideOf } from '../../persistence/beside.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { Tokens } from '../access/tokens.ts'
import { refuseOthersThanAdmins } from './deletion.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'

const DEMO_TOKEN_S = 60 * 60
/** Names looked at for one page at most, so that a user with few grants doesn't make the server read them all. */
const MAX_SCANNED = 10_000
/** Where each of them may cost a question. */
const MAX_ASKED = 1_000

const demoTokenBody = z.object({
  user: z
    .string()
    .regex(/^[\w-]{1,64}$/, 'has 1 to 64 letters, digits, _ or -')
    .optional(),
  name: z.string().trim().min(1).max(80),
  agent: z.boolean().default(false),
})

const demoToken = z.object({ token: z.string(), user: z.string(), name: z.string(), expires: z.int() })

const listQuery = z.object({
  prefix: z.string().max(255).default(''),
  after: z.string().max(255).default(''),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  deleted: z.stringbool().default(false),
})

const documentList = z.object({
  documents: z.array(z.object({ name: z.string(), position: z.int(), createdAt: z.int(), updatedAt: z.int() })),
  next: z.string().optional().describe('What to give as `after` for the next page'),
})

/** `POST /api/demo/token`: a token for whoever asks. Only in demo mode, which listens on loopback only. */
export function serveDemoTokens(app: FastifyInstance, tokens: Tokens): void {
  const description = describe({
    tag: 'demo',
    summary: 'Get a token',
    body: demoTokenBody,
    answers: { 200: { text: 'A token that may write everything', content: demoToken } },
    isOpen: true,
  })
  app.post('/api/demo/token', description, async (request) => {
    const { user = randomUUID(), name, agent } = parse(demoTokenBody, request.body)
    const token = tokens.sign({ user, name, access: { '**': 'write' }, agent }, DEMO_TOKEN_S)
    return { token, user, name, expires: Date.now() + DEMO_TOKEN_S * 1000 }
  })
}

/**
 * `GET /api/documents`: the documents that the token may read, by name, a page at a time. With `?deleted=true` those that
 * are deleted, for admins.
 */
export function serveDocuments(app: FastifyInstance, access: Access, log: UpdateLog): void {
  const description = describe({
    tag: 'documents',
    summary: 'List the documents that the token may read',
    query: listQuery,
    answers: { 200: { text: 'A page, by name', content: documentList } },
  })
  app.get('/api/documents', description, async (request) => {
    const principal = await authenticate(request, access)
    const { prefix, after, limit, deleted } = parse(listQuery, request.query)
    if (deleted) refuseOthersThanAdmins(principal)
    const documents = []
    let last = after
    const maxScanned = access.isAsking ? MAX_ASKED : MAX_SCANNED
    for (let scanned = 0; scanned < maxScanned; scanned += limit) {
      const page = await log.documents({ prefix, after: last, limit, deleted })
      const names = page.map(({ name }) => name)
      const readable = deleted ? new Set(names) : await access.readable(names, principal)
      for (const document of page) {
        last = document.name
        const isListed = readable.has(document.name) && !(deleted && besideOf(document.name) !== undefined)
        if (isListed) documents.push(document)
        if (documents.length === limit) return { documents, next: last }
      }
      if (page.length < limit) return { documents }
    }
    return { documents, next: last }
  })
}
