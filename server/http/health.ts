import type { FastifyInstance } from 'fastify'
import { anything, describe } from './route-description.ts'

export interface Health {
  /** Whether storage takes writes. */
  readonly storage: boolean
  readonly stopping: boolean
}

/** `/health/live`: the process answers. `/health/ready`: it can do its work; 503 while it can't. */
export function serveHealth(app: FastifyInstance, health: () => Promise<Health>): void {
  // The name tells `coweave doctor` that it is no other server's.
  const live = describe({
    tag: 'operations',
    summary: 'Whether the process answers',
    answers: { 200: { text: 'It does', content: anything } },
    isOpen: true,
  })
  app.get('/health/live', live, async () => ({ status: 'live', server: 'coweave' }))
  const ready = describe({
    tag: 'operations',
    summary: 'Whether the server can do its work',
    answers: { 200: { text: 'It can', content: anything }, 503: { text: 'It can’t now', content: anything } },
    isOpen: true,
  })
  app.get('/health/ready', ready, async (_request, reply) => {
    const { storage, stopping } = await health()
    const isReady = storage && !stopping
    return reply.status(isReady ? 200 : 503).send({
      status: isReady ? 'ready' : 'not ready',
      storage: storage ? 'writable' : 'failing',
      ...(stopping ? { stopping } : {}),
    })
  })
}
