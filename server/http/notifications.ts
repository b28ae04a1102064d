import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import { MAX_NOTIFICATION_BODY, MAX_NOTIFICATION_TITLE } from '../../model/inbox.ts'
import { inboxOf, isUserId } from '../../model/rooms.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { AccessError } from '../access/access-error.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Durability } from '../documents/durability.ts'
import type { Notifications } from '../inbox/notifications.ts'
import { HttpError } from './problem.ts'
import { authenticate, parse } from './request.ts'
import { anything, describe } from './route-description.ts'

export const MAX_RECIPIENTS = 10_000
/** Ten thousand names as long as they may be. */
const MAX_BODY_BYTES = 4 * 1024 * 1024

const user = z.string().refine(isUserId, 'is not the id of a user')

const newNotification = z.strictObject({
  to: z.array(user).min(1).max(MAX_RECIPIENTS),
  kind: z.string().regex(/^[\w.:-]{1,64}$/, 'has 1 to 64 letters, digits or _.:-'),
  title: z.string().min(1).max(MAX_NOTIFICATION_TITLE),
  body: z.string().max(MAX_NOTIFICATION_BODY).default(''),
  link: z
    .string()
    .max(2_000)
    .refine(isSafeLink, 'is an http(s) address, or a path that begins with one /')
    .or(z.literal(''))
    .default(''),
  key: z.string().min(1).max(200).optional(),
})

const pageQuery = z.object({
  before: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(100),
})

const addedAnswer = z.object({ id: z.string(), added: z.int(), known: z.int() })
const inboxPage = z.object({
  notifications: z.array(anything),
  next: z.string().optional().describe('What to give as `before` for the page before'),
})

export interface NotificationsApi {
  readonly tokens: Tokens
  readonly log: UpdateLog
  readonly durability: Durability
  readonly notifications: Notifications
  readonly config: { readonly COMMIT_BUFFER_BYTES: number }
}

/**
 * - `POST /api/notifications`, with an admin's token: notifies up to 10,000 users; 200 once all of it is on disk;
 * - `GET /api/inbox`: the newest page of one's own notifications, also of those that the document has no more room for, or
 *   the page before the one whose id is given as `before`; oldest first, and without those that were dismissed.
 */
export function serveNotifications(app: FastifyInstance, api: NotificationsApi): void {
  const { tokens, log, durability, notifications, config } = api

  const posting = describe({
    tag: 'inbox',
    summary: 'Notify users',
    details: 'With an admin’s token. The same `key` again brings nobody the same again.',
    body: newNotification,
    answers: { 200: { text: 'All of it is on disk', content: addedAnswer } },
  })
  app.post('/api/notifications', { ...posting, bodyLimit: MAX_BODY_BYTES }, async (request) => {
    const { admin } = await authenticate(request, tokens)
    if (!admin) throw new AccessError('access/not-admin', CloseCode.Forbidden, 'the token is not an admin’s')
    const { to, key, ...notification } = parse(newNotification, request.body)
    if (durability.waitingBytes > config.COMMIT_BUFFER_BYTES)
      throw new HttpError(503, 'notifications/busy', 'storage has much to write; try again a little later')
    return await notifications.add({ to, notification, key })
  })

  const reading = describe({
    tag: 'inbox',
    summary: 'Read one’s own notifications',
    query: pageQuery,
    answers: { 200: { text: 'A page, oldest first', content: inboxPage } },
  })
  app.get('/api/inbox', reading, async (request, reply) => {
    const { user } = await authenticate(request, tokens)
    const { before, limit } = parse(pageQuery, request.query)
    const room = inboxOf(user)
    const page = await log.messages.list(room, {
      limit,
      ...(before === undefined ? {} : { before: await placeOf(room, before) }),
    })
    const all: Readonly<Record<string, unknown>>[] = page.map(({ json }) => JSON.parse(json))
    const [first] = page
    const hasMore = first !== undefined && first.seq > 1 && page.length === limit
    void reply.header('Cache-Control', 'no-store')
    return {
      notifications: all.filter(({ dismissedAt }) => dismissedAt === undefined),
      ...(hasMore ? { next: first.id } : {}),
    }
  })

  async function placeOf(room: string, id: string): Promise<number> {
    const found = await log.messages.find(room, id)
    if (found === undefined) throw new HttpError(404, 'inbox/no-such-notification', `there is no notification ${id}`)
    return found.seq
  }
}

/** Whoever shows it makes a link of it: nothing that a click would run, or that leads elsewhere than it seems. */
function isSafeLink(link: string): boolean {
  if (/^\/(?![/\\])/.test(link)) return true
  const url = URL.parse(link)
  return url !== null && ['http:', 'https:'].includes(url.protocol)
}
