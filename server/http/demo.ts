import { existsSync } from 'node:fs'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Serves the built demo from `folder` at `/`, and its page at `/d/<document>`. Does nothing when it isn't built. */
export async function serveDemo(app: FastifyInstance, folder: string): Promise<void> {
  if (!existsSync(folder)) {
    app.log.warn({ folder }, 'the demo is not built: npm run build:demo')
    return
  }
  await app.register(fastifyStatic, {
    root: folder,
    setHeaders: (response, path) => {
      response.header('X-Content-Type-Options', 'nosniff')
      response.header('Referrer-Policy', 'no-referrer')
      if (path.endsWith('.html')) response.header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
    },
  })
  app.get('/d/*', (_request, reply) => reply.sendFile('index.html'))
}
