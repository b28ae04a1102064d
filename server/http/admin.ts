import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Moderation } from '../admin/moderation.ts'
import { type Busy, firstByName, openDocumentOf, overviewOf } from '../admin/overview.ts'
import type { Restrictions } from '../admin/restrictions.ts'
import type { Documents } from '../documents/documents.ts'
import { serveAdminActions } from './admin-actions.ts'
import { admitAdmin } from './admin-admission.ts'
import { serveAdminDocument } from './admin-document.ts'
import type { Measured } from './metrics.ts'
import { parse } from './request.ts'
import { anything, describe } from './route-description.ts'

const documentsQuery = z.object({
  after: z.string().max(255).default(''),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})
const auditQuery = z.object({
  before: z.coerce.number().int().min(1).optional().describe('The `next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})
const auditPage = z.object({ actions: z.array(anything), next: z.int().optional() })

export interface AdminApi {
  readonly tokens: Tokens
  readonly log: UpdateLog
  readonly documents: Documents
  readonly moderation: Moderation
  readonly restrictions: Restrictions
  readonly measure: () => Measured
  readonly busy: () => Busy
}

/**
 * For admins, and the page at `/admin` (docs/admin.md). What is told of connections and memory is that of the instance that
 * is asked; the rest is of the database that all of them share.
 */
export function serveAdmin(app: FastifyInstance, api: AdminApi): void {
  const { tokens, log, documents, restrictions, measure, busy } = api
  const overview = describe({
    tag: 'admin',
    summary: 'How the instance that is asked is now',
    answers: { 200: { text: 'Its figures', content: anything } },
  })
  app.get('/api/admin/overview', overview, async (request, reply) => {
    await admitAdmin(request, tokens)
    void reply.header('Cache-Control', 'no-store')
    return overviewOf(measure(), busy())
  })

  const listing = describe({
    tag: 'admin',
    summary: 'List the documents that are open on the instance that is asked',
    query: documentsQuery,
    answers: {
      200: {
        text: 'A page, by name, with who is in them',
        content: z.object({ documents: z.array(anything), next: z.string().optional() }),
      },
    },
  })
  app.get('/api/admin/documents', listing, async (request, reply) => {
    await admitAdmin(request, tokens)
    const { after, limit } = parse(documentsQuery, request.query)
    const open = firstByName(documents.all, after, limit + 1)
    const page = open.slice(0, limit)
    void reply.header('Cache-Control', 'no-store')
    return { documents: page.map(openDocumentOf), next: open.length > limit ? page.at(-1)?.name : undefined }
  })

  const standing = describe({
    tag: 'admin',
    summary: 'List the mutes and revocations that stand',
    answers: { 200: { text: 'All of them', content: z.object({ restrictions: z.array(anything) }) } },
  })
  app.get('/api/admin/restrictions', standing, async (request, reply) => {
    await admitAdmin(request, tokens)
    void reply.header('Cache-Control', 'no-store')
    return { restrictions: restrictions.standing.map(({ version: _, ...restriction }) => restriction) }
  })

  const auditing = describe({
    tag: 'admin',
    summary: 'Read what admins did',
    query: auditQuery,
    answers: { 200: { text: 'A page, newest first', content: auditPage } },
  })
  app.get('/api/admin/audit', auditing, async (request, reply) => {
    await admitAdmin(request, tokens)
    const { before, limit } = parse(auditQuery, request.query)
    const actions = await log.admin.actions({ before, limit })
    void reply.header('Cache-Control', 'no-store')
    return { actions, next: actions.length < limit ? undefined : actions.at(-1)?.number }
  })

  serveAdminDocument(app, api)
  serveAdminActions(app, api)
}
