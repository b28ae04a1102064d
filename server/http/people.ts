import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import { isUserId } from '../../model/rooms.ts'
import type { StoredErasure } from '../../persistence/people-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { AccessError } from '../access/access-error.ts'
import type { Principal } from '../access/grants.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Audit } from '../admin/audit.ts'
import type { UserRates } from '../connection/user-rates.ts'
import { progressOf } from '../people/erasure.ts'
import type { Erasures } from '../people/erasures.ts'
import { exportPerson } from '../people/person-export.ts'
import { noCounts, UNTOUCHED } from '../people/receipt.ts'
import { refuseOthersThanAdmins } from './deletion.ts'
import { HttpError } from './problem.ts'
import { countRequest } from './rate.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'

/** Exports at once: each reads much. */
const MAX_EXPORTS = 4

const userParameters = z.object({ user: z.string().refine(isUserId, 'is not the id of a user') })
const erasureParameters = userParameters.extend({ id: z.string().max(64) })
const count = z.int()
const receipt = z.object({
  id: z.string(),
  at: z.int(),
  by: z.string(),
  user: z.string(),
  status: z.enum(['running', 'done']),
  endedAt: z.int().optional(),
  problem: z.string().optional().describe('Why it could not go on when it was tried last; it is tried again'),
  counts: z.record(z.enum(Object.keys(noCounts())), count),
  documents: z.array(z.string()).describe('Free-form documents they wrote in, named versions of or looked at; 1,000'),
  documentCount: count,
  failed: z.array(z.object({ document: z.string(), code: z.string() })).describe('What could not be read'),
  untouched: z.array(z.object({ what: z.string(), why: z.string() })),
})

export interface PeopleApi {
  readonly tokens: Tokens
  readonly log: UpdateLog
  readonly erasures: Erasures
  readonly audit: Audit
  readonly rates: UserRates
}

/**
 * Everything about one person:
 * - `POST /api/users/<user>/export`, for admins and the user: all that is kept, a line of JSON each;
 * - `POST /api/users/<user>/erase`, for admins: begins to erase it, 202 once that is on disk;
 * - `GET /api/users/<user>/erasures/<id>`, for admins: how far that is, and in the end the receipt.
 */
export function servePeople(app: FastifyInstance, { tokens, log, erasures, audit, rates }: PeopleApi): void {
  /** Whose exports are under way. */
  const exported = new Set<string>()
  const exporting = describe({
    tag: 'people',
    summary: 'Export what is kept about a person',
    details: 'For admins, and for themselves. One JSON object a line; the last one is of the kind `end`.',
    parameters: userParameters,
    answers: { 200: { text: 'The lines', content: ['application/x-ndjson'] } },
  })
  app.post('/api/users/:user/export', exporting, async (request, reply) => {
    const { user, principal } = await admit(request)
    if (!principal.admin && principal.user !== user) {
      throw new AccessError('access/not-admin', CloseCode.Forbidden, 'the token is not an admin’s, nor the user’s')
    }
    countRequest(rates, principal.user, request, reply)
    if (exported.has(user) || exported.size >= MAX_EXPORTS) {
      throw new HttpError(
        503,
        'people/busy',
        `${user} is being exported, or ${MAX_EXPORTS} others are; try again later`,
      )
    }
    exported.add(user)
    try {
      if (principal.user !== user) await noteExport(request, principal)
    } catch (error) {
      exported.delete(user)
      throw error
    }
    const lines = Readable.from(linesOf(user))
    lines.once('close', () => exported.delete(user))
    return reply.header('Cache-Control', 'no-store').type('application/x-ndjson').send(lines)
  })

  const erasing = describe({
    tag: 'people',
    summary: 'Erase a person',
    details: 'For admins. It goes on by itself, also after a crash; `GET` its receipt until it is `done`.',
    parameters: userParameters,
    answers: { 202: { text: 'It has begun', content: receipt } },
  })
  app.post('/api/users/:user/erase', erasing, async (request, reply) => {
    const { user, principal } = await admit(request)
    refuseOthersThanAdmins(principal)
    const erasure = (await erasures.unfinished(user)) ?? (await beginErasing(user, principal.user))
    const place = `/api/users/${encodeURIComponent(user)}/erasures/${erasure.id}`
    return reply.status(202).header('Location', place).send(receiptOf(user, erasure))
  })

  const reading = describe({
    tag: 'people',
    summary: 'Read the receipt of an erasure',
    details: 'For admins.',
    parameters: erasureParameters,
    answers: { 200: { text: 'How far it is', content: receipt } },
  })
  app.get('/api/users/:user/erasures/:id', reading, async (request, reply) => {
    const { user, principal } = await admit(request)
    refuseOthersThanAdmins(principal)
    const { id } = parse(erasureParameters, request.params)
    const erasure = await erasures.find(user, id)
    if (erasure === undefined) throw new HttpError(404, 'people/no-such-erasure', `${user} has no erasure ${id}`)
    return reply.header('Cache-Control', 'no-store').send(receiptOf(user, erasure))
  })

  async function admit(request: FastifyRequest): Promise<{ user: string; principal: Principal }> {
    const principal = await authenticate(request, tokens)
    return { principal, user: parse(userParameters, request.params).user }
  }

  /** With an entry in the audit log that names the receipt: whom it was about is erased. */
  async function beginErasing(user: string, admin: string): Promise<StoredErasure> {
    const id = randomUUID()
    const action = { admin, action: 'erase-user', user: '', document: '', detail: id }
    return await audit.of(action, () => erasures.begin(id, user, admin))
  }

  /** That it begins. The entry names the request, as proxies know it: whom it is about may be erased later. */
  async function noteExport({ id }: FastifyRequest, { user }: Principal): Promise<void> {
    await audit.of({ admin: user, action: 'export-user', user: '', document: '', detail: id }, async () => {})
  }

  async function* linesOf(user: string): AsyncGenerator<string> {
    for await (const line of exportPerson(log, user)) yield `${JSON.stringify(line)}\n`
  }
}

/** Without the pseudonym: who has the receipt should not know by it what the person wrote. */
function receiptOf(user: string, erasure: StoredErasure): z.infer<typeof receipt> {
  const { id, at, isDone } = erasure
  const { by, endedAt, problem, counts, documents, documentCount, failed } = progressOf(erasure)
  return {
    ...{ id, at, by, user, status: isDone ? 'done' : 'running' },
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(problem === undefined ? {} : { problem }),
    ...{
      counts: { ...counts },
      documents: [...documents],
      documentCount,
      failed: [...failed],
      untouched: [...UNTOUCHED],
    },
  }
}
