import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as encoding from 'lib0/encoding'
import { z } from 'zod'
import { parseDocumentName } from '../../model/document-name.ts'
import type { DocumentFigures } from '../../persistence/admin-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Moderation } from '../admin/moderation.ts'
import { openDocumentOf } from '../admin/overview.ts'
import { documentDeleted } from '../documents/deletions.ts'
import type { Documents } from '../documents/documents.ts'
import { neverWritten } from '../documents/never-written.ts'
import { admitAdmin } from './admin-admission.ts'
import { documentParameters } from './document-admission.ts'
import { HttpError } from './problem.ts'
import { parse } from './request.ts'
import { anything, describe } from './route-description.ts'

/** What an admin's page gets to take apart, bytes. */
const MAX_PARTS_BYTES = 16 * 1024 * 1024

const rowsQuery = z.object({
  before: z.coerce.number().int().min(1).optional().describe('The `next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

export interface AdminDocumentApi {
  readonly tokens: Tokens
  readonly log: UpdateLog
  readonly documents: Documents
  readonly moderation: Moderation
}

/**
 * One document, for admins:
 * - `GET …?before=&limit=`: what the log holds of it, with its rows, newest first, and who has it open here;
 * - `GET …/parts`: its stored state, as bytes, so that the page takes it apart and not the server;
 * - `POST …/compact`: writes a snapshot now.
 */
export function serveAdminDocument(
  app: FastifyInstance,
  { tokens, log, documents, moderation }: AdminDocumentApi,
): void {
  const looking = describe({
    tag: 'admin',
    summary: 'What the log holds of a document, without anything it says',
    parameters: documentParameters,
    query: rowsQuery,
    answers: { 200: { text: 'Its figures, and a page of its rows, newest first', content: anything } },
  })
  app.get('/api/admin/documents/:name', looking, async (request, reply) => {
    await admitAdmin(request, tokens)
    const name = nameIn(request)
    const { before, limit } = parse(rowsQuery, request.query)
    const { tailBytes: _, ...figures } = await figuresOf(name)
    const until = Math.min(before ?? figures.position + 1, figures.position + 1) - 1
    const after = Math.max(figures.forgotten, until - limit)
    const rows: { position: number; at: number; author: string; bytes: number }[] = []
    // Row by row: what they hold is not kept.
    for await (const { position, at, author, data } of log.read(name, after, until)) {
      rows.unshift({ position, at, author, bytes: data.length })
    }
    const open = Iterator.from(documents.all).find((each) => each.name === name)
    void reply.header('Cache-Control', 'no-store')
    return {
      name,
      ...figures,
      open: open && openDocumentOf(open),
      rows,
      next: after > figures.forgotten ? after + 1 : undefined,
    }
  })

  const taking = describe({
    tag: 'admin',
    summary: 'The stored state of a document',
    details: 'The newest snapshot and the updates behind it, each behind its length as a varint of lib0.',
    parameters: documentParameters,
    answers: { 200: { text: 'Yjs updates, one after the other', content: ['application/octet-stream'] } },
  })
  app.get('/api/admin/documents/:name/parts', taking, async (request, reply) => {
    await admitAdmin(request, tokens)
    const name = nameIn(request)
    const { snapshot, tailBytes } = await figuresOf(name)
    if (snapshot.bytes + tailBytes > MAX_PARTS_BYTES) {
      const problem = `more than ${MAX_PARTS_BYTES} bytes: "coweave inspect" tells what it is made of`
      throw new HttpError(413, 'admin/too-big', `${name} has ${problem}`)
    }
    const { parts, deleted } = await log.load(name)
    if (deleted !== undefined) throw documentDeleted(name)
    void reply.header('Cache-Control', 'no-store').type('application/octet-stream')
    return reply.send(Readable.from(withLengths(parts), { objectMode: false }))
  })

  const compacting = describe({
    tag: 'admin',
    summary: 'Write a snapshot of a document',
    details: 'It happens by itself when it pays. The rows behind a snapshot stay.',
    parameters: documentParameters,
    answers: { 200: { text: 'The position of its snapshot', content: z.object({ snapshot: z.int() }) } },
  })
  app.post('/api/admin/documents/:name/compact', compacting, async (request) => {
    const { user } = await admitAdmin(request, tokens)
    const name = nameIn(request)
    await figuresOf(name)
    return { snapshot: await moderation.compact(user, name) }
  })

  /** @throws {CoweaveError} `document/not-found` */
  async function figuresOf(name: string): Promise<DocumentFigures> {
    const figures = await log.admin.figures(name)
    if (figures === undefined) throw neverWritten(name)
    return figures
  }
}

function nameIn(request: FastifyRequest): string {
  return parseDocumentName(parse(documentParameters, request.params).name)
}

function* withLengths(parts: readonly Uint8Array[]): Generator<Buffer> {
  for (const part of parts) {
    yield Buffer.from(encoding.encode((encoder) => encoding.writeVarUint(encoder, part.length)))
    yield Buffer.from(part.buffer, part.byteOffset, part.length)
  }
}
