import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Access } from '../access/access.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Conversions } from '../conversions/conversions.ts'
import type { Deletions } from '../documents/deletions.ts'
import { neverWritten } from '../documents/never-written.ts'
import type { ShownFields } from '../documents/visit.ts'
import { cursorAt, type Visits } from '../documents/visits.ts'
import { documentParameters } from './document-admission.ts'
import { admitTo } from './history.ts'
import { placeShape } from './named-place.ts'
import { countRequest } from './rate.ts'
import { parse } from './request.ts'
import { describe } from './route-description.ts'

const TTL_MS = 60_000
const MAX_TTL_MS = 5 * 60_000

const shownBody = z.strictObject({
  activity: z.string().max(500).optional().describe('What it is doing, for people'),
  at: placeShape.optional().describe('Where it is: others see its caret there'),
  fields: z.record(z.string(), z.unknown()).default({}).describe('What else the app shows of whoever is present'),
  ttl: z.int().min(1).max(MAX_TTL_MS).default(TTL_MS).describe('For how long, ms, unless this is repeated'),
})

const presentAnswer = z.object({
  present: z.array(
    z.object({
      user: z.string(),
      name: z.string(),
      kind: z.literal('agent').optional(),
      activity: z.string().optional(),
    }),
  ),
})

/** What the server stamps, and the field that this API has for what somebody does. */
const stampedState = z.object({
  user: z.object({ id: z.string(), name: z.string(), kind: z.literal('agent').optional() }),
  activity: z.string().optional().catch(undefined),
})

export interface PresenceApi {
  readonly access: Access
  readonly conversions: Conversions
  readonly visits: Visits
  readonly deletions: Deletions
  readonly rates: UserRates
}

/**
 * Presence of who has no connection, such as an agent (docs/rest.md); all take `read`:
 * - `GET /api/documents/<name>/presence`: who is there;
 * - `PUT`: shows the token's user there for some time;
 * - `DELETE`: hides them.
 */
export function servePresence(app: FastifyInstance, api: PresenceApi): void {
  const { conversions, visits, rates } = api
  const path = '/api/documents/:name/presence'
  const listing = describe({
    tag: 'documents',
    summary: 'Who is in a document',
    details: 'On all instances. Who shows no presence is not listed.',
    parameters: documentParameters,
    answers: { 200: { text: 'Each user once', content: presentAnswer } },
  })
  app.get(path, listing, async (request, reply) => {
    const { name } = await admitTo(request, api, 'read')
    void reply.header('Cache-Control', 'no-store')
    return { present: usersIn(await visits.present(name)) }
  })

  const showing = describe({
    tag: 'documents',
    summary: 'Show the user of the token in a document',
    details: 'In the place of what was shown of them before. Everybody who has the document open sees it.',
    parameters: documentParameters,
    body: shownBody,
    answers: { 204: { text: 'They are shown' } },
  })
  app.put(path, showing, async (request, reply) => {
    const { name, author, user } = await admitTo(request, api, 'read')
    countRequest(rates, user, request, reply)
    const { activity, at, fields, ttl } = parse(shownBody, request.body)
    const anchor = at && (await conversions.locate(user, name, at))
    if (at !== undefined && anchor === undefined) throw neverWritten(name)
    const shown: ShownFields = { ...fields, activity, ...(anchor === undefined ? {} : { cursor: cursorAt(anchor) }) }
    await visits.show(name, author, shown, ttl)
    return reply.status(204).send()
  })

  const hiding = describe({
    tag: 'documents',
    summary: 'Show the user of the token no longer',
    details: 'What their connections show stays.',
    parameters: documentParameters,
    answers: { 204: { text: 'They are not shown' } },
  })
  app.delete(path, hiding, async (request, reply) => {
    const { name, author, user } = await admitTo(request, api, 'read')
    countRequest(rates, user, request, reply)
    await visits.end(name, author)
    return reply.status(204).send()
  })
}

/** Of a user who is there several times, what says what they are doing. */
function usersIn(states: readonly ShownFields[]): z.infer<typeof presentAnswer>['present'] {
  const users = new Map<string, z.infer<typeof presentAnswer>['present'][number]>()
  for (const state of states) {
    const stamped = stampedState.safeParse(state)
    if (!stamped.success) continue
    const { user, activity } = stamped.data
    const { id, name, kind } = user
    const known = users.get(id)
    const doing = activity ?? known?.activity
    users.set(id, {
      user: id,
      name,
      ...(kind === undefined ? {} : { kind }),
      ...(doing === undefined ? {} : { activity: doing }),
    })
  }
  return [...users.values()].toSorted((one, other) => one.name.localeCompare(other.name))
}
