import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parseDocumentName } from '../../model/document-name.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Moderation, Target } from '../admin/moderation.ts'
import { admitAdmin } from './admin-admission.ts'
import { parse } from './request.ts'
import { describe } from './route-description.ts'

const MINUTES_OF_A_YEAR = 366 * 24 * 60

const user = z.string().min(1).max(255)
const target = { user, document: z.string().optional().describe('With the chat beside it; without it, all') }
const kickBody = z.strictObject(target)
const muteBody = z.strictObject({
  ...target,
  minutes: z.number().min(0).max(MINUTES_OF_A_YEAR).describe('0 lets the user write again'),
})
const userBody = z.strictObject({ user })
const nothing = z.object({})

export interface AdminActionsApi {
  readonly tokens: Tokens
  readonly moderation: Moderation
}

/**
 * What admins do to users, on all instances, each with an entry in the audit log:
 * - `POST /api/admin/kick` `{ user, document? }`: closes the connections that there are;
 * - `POST /api/admin/mute` `{ user, document?, minutes }`: the user may only read;
 * - `POST /api/admin/revoke` `{ user }`: refuses the tokens of before, and `reinstate` `{ user }` takes that back.
 */
export function serveAdminActions(app: FastifyInstance, { tokens, moderation }: AdminActionsApi): void {
  const kicking = describe({
    tag: 'admin',
    summary: 'Close the connections of a user',
    details: 'The user may come back: see mute and revoke.',
    body: kickBody,
    answers: { 200: { text: 'They are closed here; on other instances within seconds', content: nothing } },
  })
  app.post('/api/admin/kick', kicking, async (request) => {
    const admin = await admitAdmin(request, tokens)
    await moderation.kick(admin.user, targetOf(parse(kickBody, request.body)))
    return {}
  })

  const muting = describe({
    tag: 'admin',
    summary: 'Let a user only read for some time',
    body: muteBody,
    answers: {
      200: { text: 'It holds here; on other instances within seconds', content: z.object({ until: z.int() }) },
    },
  })
  app.post('/api/admin/mute', muting, async (request) => {
    const admin = await admitAdmin(request, tokens)
    const { minutes, ...given } = parse(muteBody, request.body)
    return { until: await moderation.mute(admin.user, targetOf(given), minutes) }
  })

  const revoking = describe({
    tag: 'admin',
    summary: 'Refuse the tokens that a user has got until now',
    details: 'Those without `iat` are refused until `reinstate`.',
    body: userBody,
    answers: { 200: { text: 'It holds here; on other instances within seconds', content: z.object({ at: z.int() }) } },
  })
  app.post('/api/admin/revoke', revoking, async (request) => {
    const admin = await admitAdmin(request, tokens)
    return { at: await moderation.revoke(admin.user, parse(userBody, request.body).user) }
  })

  const reinstating = describe({
    tag: 'admin',
    summary: 'Take back a revocation',
    body: userBody,
    answers: { 200: { text: 'The tokens of before count again, as far as they have not ended', content: nothing } },
  })
  app.post('/api/admin/reinstate', reinstating, async (request) => {
    const admin = await admitAdmin(request, tokens)
    await moderation.reinstate(admin.user, parse(userBody, request.body).user)
    return {}
  })
}

/** @throws {CoweaveError} `document/bad-name` */
function targetOf({ user, document }: { readonly user: string; readonly document?: string | undefined }): Target {
  return { user, document: document === undefined ? '' : parseDocumentName(document) }
}
