import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Access } from '../access/access.ts'
import { levelToChange } from '../access/levels.ts'
import { isSchemaOld, parseSchema, schemaTooOld } from '../access/schema.ts'
import type { Config } from '../config.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Exchange } from '../documents/exchange.ts'
import { acceptBinary, readBody } from './binary.ts'
import { admit, documentParameters } from './document-admission.ts'
import { countRequest } from './rate.ts'
import { parse } from './request.ts'
import { describe } from './route-description.ts'
import type { Uploads } from './uploads.ts'

const MAX_PARTS = 4096
const NO_STATE = Uint8Array.of(0)

const readQuery = z.object({ stateVector: z.base64url().optional() })
const writeQuery = z
  .object({
    schema: z.string().optional(),
    upload: z.uuid().optional(),
    part: z.coerce.number().int().min(1).default(1),
    of: z.coerce.number().int().min(1).max(MAX_PARTS).default(1),
  })
  .refine(({ part, of }) => part <= of, 'part must not be more than of')

export interface DocumentSyncApi {
  readonly access: Access
  readonly exchange: Exchange
  readonly uploads: Uploads
  readonly rates: UserRates
  readonly config: Config
}

/**
 * Documents over plain HTTP, for what is too large for a message:
 * - `GET /api/documents/<name>/sync?stateVector=<base64url>`: what a replica lacks, as a Yjs update;
 * - `POST /api/documents/<name>/sync`: takes a Yjs update; 200 once it is on disk. With `?upload=<uuid>&part=<n>&of=<m>`
 *   it comes in parts, in any order: 202 with the numbers that are missing, and 200 with the last one.
 */
export function serveDocumentSync(app: FastifyInstance, api: DocumentSyncApi): void {
  const { access, exchange, uploads, rates, config } = api
  const reading = describe({
    tag: 'sync',
    summary: 'What a replica lacks of a document',
    parameters: documentParameters,
    query: readQuery,
    answers: { 200: { text: 'A Yjs update', content: ['application/octet-stream'] } },
  })
  app.get('/api/documents/:name/sync', reading, async (request, reply) => {
    const { name, author } = await admit(request, access, () => 'read')
    const { stateVector } = parse(readQuery, request.query)
    const replica = stateVector === undefined ? NO_STATE : Buffer.from(stateVector, 'base64url')
    const update = await exchange.missing(name, author, replica)
    return reply.header('Cache-Control', 'no-store').type('application/octet-stream').send(Buffer.from(update))
  })

  app.register(async (scope) => {
    acceptBinary(scope)
    const writing = describe({
      tag: 'sync',
      summary: 'Merge a Yjs update into a document',
      details: 'With `upload`, `part` and `of` it comes in parts, in any order.',
      parameters: documentParameters,
      query: writeQuery,
      body: ['application/octet-stream'],
      answers: {
        200: { text: 'It is on disk', content: z.object({}) },
        202: { text: 'Parts are missing', content: z.object({ missing: z.array(z.int()) }) },
      },
    })
    scope.post('/api/documents/:name/sync', writing, async (request, reply) => {
      const { name, author } = await admit(request, access, levelToChange)
      countRequest(rates, author.principal.user, request, reply)
      const { schema, upload, part, of } = parse(writeQuery, request.query)
      if (isSchemaOld(parseSchema(schema), config.MIN_SCHEMA)) throw schemaTooOld()
      const body = readBody(request.body, config.MAX_MESSAGE_BYTES)
      if (upload === undefined) {
        await exchange.take(name, author, Buffer.concat(await Array.fromAsync(body)))
        return {}
      }
      const { user } = author.principal
      const missing = await uploads.receive({ user, document: name, upload, part, of }, body, (update) =>
        exchange.take(name, author, update),
      )
      return missing.length === 0 ? {} : reply.status(202).send({ missing })
    })
  })
}
