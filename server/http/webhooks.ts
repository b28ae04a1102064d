import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Delivery, Webhook } from '../../persistence/webhook-store.ts'
import type { Tokens } from '../access/tokens.ts'
import { webhookUrlProblem } from '../webhooks/targets.ts'
import { MAX_WEBHOOKS, type Webhooks } from '../webhooks/webhooks.ts'
import { refuseOthersThanAdmins } from './deletion.ts'
import { HttpError } from './problem.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'

const MAX_BODY_BYTES = 16 * 1024

const webhookParameters = z.object({ id: z.string().max(64) })
const deliveryParameters = webhookParameters.extend({ delivery: z.coerce.number().int().min(1) })
const pageQuery = z.strictObject({
  state: z.enum(['waiting', 'dead', 'resent']).optional(),
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})
const shownWebhook = z.object({
  id: z.string(),
  at: z.int().describe('When it was registered, ms since 1970'),
  url: z.string(),
  kinds: z.array(z.string()),
  documents: z.string().optional(),
})
const shownDelivery = z.object({
  id: z.int().describe('The number of its event'),
  state: z.string(),
  document: z.string().optional(),
  at: z.int(),
  attempts: z.int(),
  dueAt: z.int().optional(),
  problem: z.string(),
})

export interface WebhooksApi {
  readonly tokens: Tokens
  readonly log: UpdateLog
  readonly webhooks: Webhooks
  readonly config: { readonly WEBHOOK_PRIVATE_HOSTS: readonly string[] }
}

/**
 * Webhooks, with an admin's token (docs/webhooks.md):
 * - `POST /api/webhooks` `{ url, kinds, documents }`: registers one; the answer alone holds its secret;
 * - `GET /api/webhooks`, `DELETE /api/webhooks/<id>`;
 * - `GET /api/webhooks/<id>/deliveries?state=`: what it was not told of yet;
 * - `POST /api/webhooks/<id>/deliveries/<delivery>/resend`: tries a dead one again.
 */
export function serveWebhooks(app: FastifyInstance, { tokens, log, webhooks, config }: WebhooksApi): void {
  const registration = z.strictObject({
    url: z
      .string()
      .max(2_000)
      .superRefine((url, context) => {
        const problem = webhookUrlProblem(url, config.WEBHOOK_PRIVATE_HOSTS)
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
      }),
    kinds: z.array(z.string().min(1).max(64)).max(64).default([]),
    documents: z.string().min(1).max(255).optional(),
  })

  async function admit(request: FastifyRequest): Promise<void> {
    refuseOthersThanAdmins(await authenticate(request, tokens))
  }

  const registering = describe({
    tag: 'operations',
    summary: 'Have events posted to a URL, with an admin’s token',
    details: 'Of all `kinds` if none are given, and of the documents that the pattern `documents` matches, if given.',
    body: registration,
    answers: {
      201: {
        text: 'The webhook, with its secret, which is not told again',
        content: shownWebhook.extend({ secret: z.string() }),
      },
    },
  })
  app.post('/api/webhooks', { ...registering, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
    await admit(request)
    const { url, kinds, documents } = parse(registration, request.body)
    const webhook = await webhooks.register({ url, kinds, documents })
    if (webhook === undefined)
      throw new HttpError(409, 'webhook/too-many', `there are ${MAX_WEBHOOKS} webhooks; delete some`)
    return reply
      .status(201)
      .header('Cache-Control', 'no-store')
      .send({ ...shown(webhook), secret: webhook.secret })
  })

  const listing = describe({
    tag: 'operations',
    summary: 'List the webhooks, with an admin’s token',
    answers: { 200: { text: 'All, without their secrets', content: z.object({ webhooks: z.array(shownWebhook) }) } },
  })
  app.get('/api/webhooks', listing, async (request) => {
    await admit(request)
    return { webhooks: (await log.webhooks.list()).map(shown) }
  })

  const ending = describe({
    tag: 'operations',
    summary: 'End a webhook, with what it was still to be told of',
    details: 'That of the settings ends with them: 409 `webhook/setting`.',
    parameters: webhookParameters,
    answers: { 204: { text: 'It is gone' } },
  })
  app.delete('/api/webhooks/:id', ending, async (request, reply) => {
    await admit(request)
    const { id } = parse(webhookParameters, request.params)
    if (webhooks.isSetting(id))
      throw new HttpError(409, 'webhook/setting', 'it is in the settings: remove WEBHOOK_URL and WEBHOOK_SECRET there')
    if (!(await log.webhooks.remove(id))) throw noSuchWebhook(id)
    return reply.status(204).send()
  })

  const reading = describe({
    tag: 'operations',
    summary: 'List what a webhook was not told of yet, or not at all',
    parameters: webhookParameters,
    query: pageQuery,
    answers: {
      200: {
        text: 'A page, oldest event first; `next` is what to give as `after` for the next one',
        content: z.object({ deliveries: z.array(shownDelivery), next: z.int() }),
      },
    },
  })
  app.get('/api/webhooks/:id/deliveries', reading, async (request) => {
    await admit(request)
    const { id } = parse(webhookParameters, request.params)
    const { state, after, limit } = parse(pageQuery, request.query)
    if ((await log.webhooks.list()).every((webhook) => webhook.id !== id)) throw noSuchWebhook(id)
    const deliveries = await log.webhooks.deliveries(id, { state, after, limit })
    return { deliveries: deliveries.map(shownAs), next: deliveries.at(-1)?.event ?? after }
  })

  const resending = describe({
    tag: 'operations',
    summary: 'Try a dead delivery again',
    parameters: deliveryParameters,
    answers: { 202: { text: 'It is tried again from now on' } },
  })
  app.post('/api/webhooks/:id/deliveries/:delivery/resend', resending, async (request, reply) => {
    await admit(request)
    const { id, delivery } = parse(deliveryParameters, request.params)
    if (!(await log.webhooks.resend({ webhook: id, event: delivery }, { now: Date.now() })))
      throw new HttpError(404, 'webhook/no-such-delivery', `the webhook ${id} has no dead delivery ${delivery}`)
    webhooks.sender.look()
    return reply.status(202).send()
  })
}

function shown({ id, at, url, kinds, documents }: Webhook) {
  return { id, at, url, kinds, ...(documents === undefined ? {} : { documents }) }
}

function shownAs({ event, state, document, at, attempts, dueAt, problem }: Delivery) {
  return {
    id: event,
    state,
    ...(document === '' ? {} : { document }),
    at,
    attempts,
    ...(dueAt === undefined ? {} : { dueAt }),
    problem,
  }
}

function noSuchWebhook(id: string): HttpError {
  return new HttpError(404, 'webhook/not-found', `there is no webhook ${id}`)
}
