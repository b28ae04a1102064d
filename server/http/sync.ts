import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { MAX_PIECE_BYTES, PIECE_HEADER } from '../../model/tunnel.ts'
import { parseSchema } from '../access/schema.ts'
import type { Config } from '../config.ts'
import type { Gateway } from '../connection/gateway.ts'
import { HttpTunnel, tunnelGone } from '../connection/http-tunnel.ts'
import { acceptBinary, readBody } from './binary.ts'
import { parse } from './request.ts'
import { describe } from './route-description.ts'

const pieceNumber = z.coerce
  .number({ error: `${PIECE_HEADER} must be the number of the piece` })
  .int()
  .min(0)

const openQuery = z.object({ schema: z.string().optional() })
const tunnelParameters = z.object({ connection: z.string() })

/**
 * The tunnel for clients whose sockets are blocked:
 * - `GET /api/sync` opens it, and is the stream down;
 * - `POST /api/sync/<connection>` takes a piece of the stream up, and is answered once its messages were taken;
 * - `DELETE /api/sync/<connection>` closes it.
 */
export function serveSync(app: FastifyInstance, gateway: Gateway, config: Config): void {
  const tunnels = new Map<string, HttpTunnel>()

  /** @throws {HttpError} 404 `sync/gone` */
  function tunnelOf(request: FastifyRequest): HttpTunnel {
    gateway.admit(request.headers)
    const { connection } = parse(tunnelParameters, request.params)
    const tunnel = tunnels.get(connection)
    if (tunnel === undefined) throw tunnelGone()
    return tunnel
  }

  const opening = describe({
    tag: 'sync',
    summary: 'Open a tunnel for a socket’s messages; this is the stream down',
    details: 'Tokens come in its messages, as over a socket (docs/http-fallback.md).',
    query: openQuery,
    answers: { 200: { text: 'A stream, as long as the tunnel is open', content: ['application/octet-stream'] } },
    isOpen: true,
  })
  app.get('/api/sync', { ...opening, exposeHeadRoute: false }, async (request, reply) => {
    gateway.admitNew(request.raw)
    const { schema } = parse(openQuery, request.query)
    const version = parseSchema(schema)
    gateway.connect(request.raw, version, () => {
      reply.hijack()
      const tunnel = new HttpTunnel(reply.raw, corsHeaders(reply), {
        maxStrangerBytes: config.MAX_UNAUTHENTICATED_BYTES,
        maxMessageBytes: config.MAX_MESSAGE_BYTES,
      })
      tunnels.set(tunnel.id, tunnel)
      reply.raw.on('close', () => tunnels.delete(tunnel.id))
      return tunnel
    })
  })

  const closing = describe({
    tag: 'sync',
    summary: 'Close a tunnel',
    parameters: tunnelParameters,
    answers: { 204: { text: 'It is closed' } },
    isOpen: true,
  })
  app.delete('/api/sync/:connection', closing, async (request, reply) => {
    tunnelOf(request).leave()
    return reply.status(204).send()
  })

  app.register(async (scope) => {
    acceptBinary(scope)
    const sending = describe({
      tag: 'sync',
      summary: 'Send a piece of the stream up',
      parameters: tunnelParameters,
      headers: z.object({ [PIECE_HEADER.toLowerCase()]: pieceNumber }),
      body: ['application/octet-stream'],
      answers: { 204: { text: 'Its messages are taken' } },
      isOpen: true,
    })
    scope.post('/api/sync/:connection', sending, async (request, reply) => {
      const tunnel = tunnelOf(request)
      const number = parse(pieceNumber, request.headers[PIECE_HEADER.toLowerCase()])
      // A piece that only answers a ping is empty.
      tunnel.heard()
      const chunks: Buffer[] = []
      for await (const chunk of readBody(request.body, MAX_PIECE_BYTES)) {
        tunnel.heard()
        chunks.push(chunk)
      }
      await tunnel.receive(number, Buffer.concat(chunks))
      return reply.status(204).send()
    })
  })
}

/** A hijacked answer has none of the headers that were set on the reply. */
export function corsHeaders(reply: FastifyReply): OutgoingHttpHeaders {
  return Object.fromEntries(
    ['vary', 'access-control-allow-origin', 'access-control-allow-credentials']
      .map((name) => [name, reply.getHeader(name)] as const)
      .filter(([, value]) => value !== undefined),
  )
}
