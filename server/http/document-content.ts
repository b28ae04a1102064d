import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { parseDocumentName } from '../../model/document-name.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import { levelToChange } from '../access/levels.ts'
import { isSchemaOld, parseSchema, schemaTooOld } from '../access/schema.ts'
import type { Config } from '../config.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Conversions } from '../conversions/conversions.ts'
import type { Format } from '../conversions/protocol.ts'
import type { Deletions } from '../documents/deletions.ts'
import type { Content, DocumentWriter, Written } from '../documents/document-writer.ts'
import type { Author } from '../documents/guard.ts'
import { neverWritten } from '../documents/never-written.ts'
import type { Visits } from '../documents/visits.ts'
import { contentFormats } from '../formats/content-formats.ts'
import { FormatError } from '../formats/format-error.ts'
import { etagOf, isExcluded, positionOf, wantedPosition } from './conditions.ts'
import { admit, authorOf, documentParameters, refuseRooms } from './document-admission.ts'
import { acceptedFormat, formats, mediaTypes, sentFormat } from './document-formats.ts'
import { countRequest } from './rate.ts'
import { parse } from './request.ts'
import { describe } from './route-description.ts'

/** Of content, which is read at once. Larger documents come and go as updates. */
const MAX_CONTENT_BYTES = 512 * 1024

const field = z
  .string()
  .min(1)
  .max(255)
  .default('default')
  .describe('The root type that holds the content; `default` is Tiptap’s')
const schemaVersion = z.string().optional().describe('The version of the document schema that the client writes')

const readQuery = z.object({
  format: z.enum(formats).optional().describe('Instead of `Accept`'),
  field,
})
const writeQuery = z.object({
  format: z.enum(formats).optional().describe('Instead of `Content-Type`'),
  field,
  schema: schemaVersion,
})
const patchQuery = z.object({ schema: schemaVersion })

const edits = z
  .array(z.strictObject({ find: z.string().min(1), replace: z.string() }))
  .min(1)
  .max(1000)
const blocks = z
  .array(
    z.strictObject({
      at: z.int().min(0).describe('The number of a block, from 0'),
      delete: z.int().min(0).default(0).describe('How many blocks go'),
      insert: z.unknown().optional().describe('Content that comes in their place'),
    }),
  )
  .min(1)
  .max(1000)
const patchBody = z
  .strictObject({
    format: z.enum(contentFormats).default('markdown'),
    field,
    base: z
      .union([z.int().min(0), z.string()])
      .optional()
      .describe('The position or ETag of what was read: what was changed since then stays. Now, by default'),
    content: z.unknown().optional().describe('All of the new content: a string, or in `json` a Tiptap document'),
    edits: edits.optional().describe('Places to change: each `find` stands in the content exactly once'),
    blocks: blocks.optional().describe('Blocks to change, numbered as they are before all of these'),
  })
  .refine(
    (body) => [body.content, body.edits, body.blocks].filter((each) => each !== undefined).length === 1,
    'has one of content, edits and blocks',
  )
const copyBody = z.strictObject({ to: z.string(), position: z.int().min(1).optional() })

const writtenBody = z.object({
  position: z.int().describe('Where the change is in the log, or before'),
  changed: z.boolean(),
})
const writtenAnswer = { text: 'It is on disk', content: writtenBody }
const contentTypes = Object.values(mediaTypes)
const conditions = z.object({
  'if-match': z
    .string()
    .optional()
    .describe('Only if the document still has this ETag, or, with `*`, if there is one; 412 otherwise'),
  'if-none-match': z.string().optional().describe('`*`: only if there is no such document'),
})

export interface DocumentContentApi {
  readonly access: Access
  readonly log: UpdateLog
  readonly conversions: Conversions
  readonly writer: DocumentWriter
  readonly deletions: Deletions
  readonly visits: Visits
  readonly rates: UserRates
  readonly config: Pick<Config, 'MIN_SCHEMA' | 'MAX_MESSAGE_BYTES'>
}

/**
 * What documents say, for back ends and agents (docs/rest.md):
 * - `GET /api/documents/<name>`: as Markdown, HTML, Tiptap JSON, plain text, JSON of its Yjs types, or a Yjs update;
 * - `PUT`: creates it, or makes it say something else;
 * - `PATCH`: changes it while others type;
 * - `POST /api/documents/<name>/copy`.
 */
export function serveDocumentContent(app: FastifyInstance, api: DocumentContentApi): void {
  app.register(async (scope) => {
    acceptContent(scope, api.config.MAX_MESSAGE_BYTES)
    serveReading(scope, api)
    serveWriting(scope, api)
    serveCopying(scope, api)
  })
}

function serveReading(app: FastifyInstance, { access, log, conversions, deletions }: DocumentContentApi): void {
  const description = describe({
    tag: 'documents',
    summary: 'Read a document',
    details: 'Its ETag is its position in the log.',
    parameters: documentParameters,
    query: readQuery,
    headers: z.object({ 'if-none-match': z.string().optional().describe('304 while the document has this ETag') }),
    answers: { 200: { text: 'The document', content: contentTypes }, 304: { text: 'It is as it was' } },
  })
  app.get('/api/documents/:name', description, async (request, reply) => {
    const { name, author } = await admit(request, access, () => 'read')
    refuseRooms(name)
    await deletions.refuse(name)
    const query = parse(readQuery, request.query)
    const format = query.format ?? acceptedFormat(request)
    void reply.header('Cache-Control', 'private, no-cache').header('Vary', 'Accept, Authorization')
    const [last = 0] = await log.positions([name])
    if (last > 0 && isExcluded(request, last)) return reply.header('ETag', etagOf(last)).status(304).send()
    const read = await conversions.read(author.principal.user, name, { format, field: query.field })
    if (read === undefined) throw neverWritten(name)
    return reply
      .header('ETag', etagOf(read.position))
      .header('X-Content-Type-Options', 'nosniff')
      .header('Content-Security-Policy', "default-src 'none'; sandbox")
      .type(format === 'update' ? mediaTypes.update : `${mediaTypes[format]}; charset=utf-8`)
      .send(Buffer.from(read.bytes.buffer, read.bytes.byteOffset, read.bytes.length))
  })
}

function serveWriting(app: FastifyInstance, api: DocumentContentApi): void {
  const { writer, visits } = api
  const putting = describe({
    tag: 'documents',
    summary: 'Create a document, or replace what it says',
    details:
      'What stays the same is left alone, as with PATCH. `yjs-json` and `update` only create: an update is merged by the route below `/sync`.',
    parameters: documentParameters,
    query: writeQuery,
    headers: conditions,
    body: contentTypes,
    answers: { 200: writtenAnswer, 201: { ...writtenAnswer, text: 'It is new, and on disk' } },
  })
  app.put('/api/documents/:name', putting, async (request, reply) => {
    const { name, author } = await admitWriter(request, reply, api)
    const query = parse(writeQuery, request.query)
    const format = query.format ?? sentFormat(request)
    const isNewOnly = request.headers['if-none-match']?.trim() === '*'
    const ifAt = isNewOnly ? 0 : wantedPosition(request)
    const content = contentOf(request.body, format, query.field)
    const written = await writer.put(name, author, content, ifAt)
    await visits.wrote(name, author, written.at)
    return answer(reply, written, written.isNew ? 201 : 200)
  })

  const patching = describe({
    tag: 'documents',
    summary: 'Change a document while others type',
    details:
      'The difference between what was read (`base`) and what is sent is merged into the document as it is now: carets, and what others typed meanwhile, stay.',
    parameters: documentParameters,
    query: patchQuery,
    headers: conditions.pick({ 'if-match': true }),
    body: patchBody,
    answers: { 200: writtenAnswer },
  })
  app.patch('/api/documents/:name', patching, async (request, reply) => {
    const { name, author } = await admitWriter(request, reply, api)
    const { format, field, base, content, edits, blocks } = parse(patchBody, request.body)
    const at = typeof base === 'string' ? positionOf(base) : base
    const change =
      edits !== undefined
        ? { edits }
        : blocks !== undefined
          ? { blocks: blocks.map(({ delete: remove, at, insert }) => ({ at, remove, insert })) }
          : { content }
    const written = await writer.patch(
      name,
      author,
      { format, field, change },
      { base: at, ifAt: wantedPosition(request) },
    )
    await visits.wrote(name, author, written.at)
    return answer(reply, written, 200)
  })
}

function serveCopying(app: FastifyInstance, api: DocumentContentApi): void {
  const description = describe({
    tag: 'documents',
    summary: 'Copy a document',
    details: 'All its Yjs types, so that places in it (comments) stay right. `to` must be new.',
    parameters: documentParameters,
    query: patchQuery,
    body: copyBody,
    answers: { 201: writtenAnswer },
  })
  app.post('/api/documents/:name/copy', description, async (request, reply) => {
    const { name, author } = await admit(request, api.access, () => 'read')
    refuseRooms(name)
    count(request, reply, api, author)
    const { to, position } = parse(copyBody, request.body)
    const target = parseDocumentName(to)
    const writerOfCopy = await authorOf(api.access, author.principal, target, 'write')
    refuseRooms(target)
    await api.deletions.refuse(name)
    await api.deletions.refuse(target)
    const read = await api.conversions.read(author.principal.user, name, { format: 'update', field: '', position })
    if (read === undefined) throw neverWritten(name)
    const { bytes: body } = read
    const written = await api.writer.put(target, writerOfCopy, { format: 'update', field: '', body }, undefined)
    return answer(reply, written, 201)
  })
}

/** @throws as admit(), {HttpError} 409 `document/is-room`, {CoweaveError} `document/deleted`, 429 `http/too-many-requests` */
async function admitWriter(request: FastifyRequest, reply: FastifyReply, api: DocumentContentApi) {
  const admitted = await admit(request, api.access, levelToChange)
  refuseRooms(admitted.name)
  await api.deletions.refuse(admitted.name)
  count(request, reply, api, admitted.author)
  return admitted
}

function count(
  request: FastifyRequest,
  reply: FastifyReply,
  { rates, config }: DocumentContentApi,
  author: Author,
): void {
  countRequest(rates, author.principal.user, request, reply)
  if (isSchemaOld(parseSchema(parse(patchQuery, request.query).schema), config.MIN_SCHEMA)) throw schemaTooOld()
}

/** The ETag only where the document is what the client makes of it, and nothing of others that it hasn't read. */
function answer(reply: FastifyReply, { position, changed, isKnown }: Written, status: number): FastifyReply {
  if (isKnown) void reply.header('ETag', etagOf(position))
  return reply.status(status).send({ position, changed })
}

/** @throws {FormatError} `format/malformed` */
function contentOf(body: unknown, format: Format, field: string): Content {
  const bytes = body instanceof Buffer ? body : Buffer.from(typeof body === 'string' ? body : '')
  if (format === 'update') return { format, field, body: bytes }
  if (body instanceof Buffer) throw new FormatError('format/malformed', `${format} is text, and not bytes`)
  return { format, field, body: body ?? '' }
}

function acceptContent(scope: FastifyInstance, maxUpdateBytes: number): void {
  const texts = [mediaTypes.markdown, mediaTypes.html, mediaTypes.text]
  const content = { parseAs: 'string', bodyLimit: MAX_CONTENT_BYTES } as const
  scope.addContentTypeParser(texts, content, (_request, body, done) => done(null, body))
  scope.addContentTypeParser(
    [mediaTypes.json, mediaTypes['yjs-json']],
    content,
    scope.getDefaultJsonParser('error', 'error'),
  )
  const update = { parseAs: 'buffer', bodyLimit: maxUpdateBytes } as const
  scope.addContentTypeParser(mediaTypes.update, update, (_request, body, done) => done(null, body))
}
