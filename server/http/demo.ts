import { existsSync } from 'node:fs'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'

const MINIMAL = '/minimal/'

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** CodeMirror makes its styles as it goes. */
const MINIMAL_POLICY = `${CONTENT_SECURITY_POLICY}; style-src 'self' 'unsafe-inline'`

/** Serves the built demo from `folder` at `/`, its page at `/d/<document>`, the minimal one at `/minimal/` and that for admins at `/admin`. Does nothing when it isn't built. */
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
      if (!path.endsWith('.html')) return
      response.header('Content-Security-Policy', path.includes(MINIMAL) ? MINIMAL_POLICY : CONTENT_SECURITY_POLICY)
    },
  })
  app.get('/minimal', (_request, reply) => reply.redirect(MINIMAL))
  app.get('/admin', (_request, reply) => reply.sendFile('admin/index.html'))
  app.get('/d/*', (_request, reply) => reply.sendFile('index.html'))
}
