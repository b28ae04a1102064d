import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { inboxOf } from '../../model/rooms.ts'
import type { PushStore } from '../../persistence/push-store.ts'
import type { Tokens } from '../access/tokens.ts'
import type { UserRates } from '../connection/user-rates.ts'
import { isPushEndpoint } from '../push/push-hosts.ts'
import { bytesIn, isPublicKey } from '../push/vapid.ts'
import { HttpError } from './problem.ts'
import { countRequest } from './rate.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'

/** Browsers of one user; the one that subscribed longest ago gives way. */
export const MAX_SUBSCRIPTIONS = 10
const MAX_BODY_BYTES = 8 * 1024
const AUTH_BYTES = 16

const endpoint = z.string().max(2_000)
const ended = z.object({ endpoint })

export interface PushApi {
  readonly tokens: Tokens
  readonly pushes: PushStore
  readonly rates: UserRates
  readonly config: { readonly VAPID_PUBLIC_KEY?: string | undefined; readonly PUSH_HOSTS: readonly string[] }
}

/**
 * - `GET /api/push`: the public key that a browser subscribes with;
 * - `PUT /api/push/subscriptions`, with what `PushSubscription.toJSON()` gives: notifications of the token's user are
 *   pushed to that browser from now on; 204 once it is on disk;
 * - `DELETE /api/push/subscriptions`, with its `endpoint`: they no longer are.
 */
export function servePush(app: FastifyInstance, { tokens, pushes, rates, config }: PushApi): void {
  const subscription = z.object({
    endpoint: endpoint.refine((url) => isPushEndpoint(url, config.PUSH_HOSTS), 'is not at one of PUSH_HOSTS'),
    keys: z.object({
      p256dh: z.string().refine(isPublicKey, 'is not a public key of P-256'),
      auth: z.string().refine((text) => bytesIn(text)?.length === AUTH_BYTES, `has not ${AUTH_BYTES} bytes`),
    }),
  })

  /** Whose inbox it is about. @throws {AccessError} @throws {HttpError} */
  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const { user } = await authenticate(request, tokens)
    if (config.VAPID_PUBLIC_KEY === undefined) {
      throw new HttpError(404, 'push/off', 'this server does not push: VAPID_PUBLIC_KEY is not set')
    }
    if (!user.isWellFormed()) throw new HttpError(400, 'http/bad-request', 'the user has no inbox')
    if (request.method !== 'GET') countRequest(rates, user, request, reply)
    return inboxOf(user)
  }

  const reading = describe({
    tag: 'inbox',
    summary: 'Read the public key that a browser subscribes to pushes with',
    answers: { 200: { text: 'The key', content: z.object({ publicKey: z.string() }) } },
  })
  app.get('/api/push', reading, async (request, reply) => {
    await admit(request, reply)
    return { publicKey: config.VAPID_PUBLIC_KEY }
  })

  const subscribing = describe({
    tag: 'inbox',
    summary: 'Have one’s notifications pushed to a browser',
    body: subscription,
    answers: { 204: { text: 'It is on disk' } },
  })
  app.put('/api/push/subscriptions', { ...subscribing, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
    const room = await admit(request, reply)
    const { endpoint, keys } = parse(subscription, request.body)
    const wanted = { room, at: Date.now(), subscription: { endpoint, ...keys } }
    if (!(await pushes.subscribe(wanted, { max: MAX_SUBSCRIPTIONS }))) {
      throw new HttpError(409, 'push/endpoint-taken', 'this endpoint is subscribed with other keys')
    }
    return reply.status(204).send()
  })

  const unsubscribing = describe({
    tag: 'inbox',
    summary: 'Have them pushed there no longer',
    body: ended,
    answers: { 204: { text: 'They no longer are' } },
  })
  app.delete('/api/push/subscriptions', { ...unsubscribing, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
    const room = await admit(request, reply)
    await pushes.unsubscribe(room, parse(ended, request.body).endpoint)
    return reply.status(204).send()
  })
}
