import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Access } from '../access/access.ts'
import type { Deletions } from '../documents/deletions.ts'
import type { Resets } from '../documents/resets.ts'
import { admitModerator } from './deletion.ts'
import { documentParameters } from './document-admission.ts'
import { parse } from './request.ts'
import { describe } from './route-description.ts'

const resetBody = z.strictObject({ position: z.int().min(0).describe('What the document is to be again') })
const resetAnswer = z.object({
  before: z.int().describe('The last position before'),
  position: z.int().describe('Where its content begins now'),
})

export interface ResetApi {
  readonly access: Access
  readonly deletions: Deletions
  readonly resets: Resets
}

/**
 * `POST /api/documents/<name>/reset` `{ position }`: makes a document what it was, for moderators and admins
 * (docs/history.md). Unlike a restore it is no edit: what came since is no part of the document any more.
 */
export function serveReset(app: FastifyInstance, { access, deletions, resets }: ResetApi): void {
  const description = describe({
    tag: 'history',
    summary: 'Make a document what it was, without what came since',
    details: 'For a document that breaks those who open it. Whoever has it open, or kept, begins anew.',
    parameters: documentParameters,
    body: resetBody,
    answers: { 200: { text: 'It is on disk', content: resetAnswer } },
  })
  app.post('/api/documents/:name/reset', description, async (request) => {
    const { name, principal } = await admitModerator(request, access)
    await deletions.refuse(name)
    const { position } = parse(resetBody, request.body)
    return await resets.reset(name, principal.user, position)
  })
}
