import type { FastifyInstance } from 'fastify'

export interface Health {
  /** Whether storage takes writes. */
  readonly storage: boolean
  readonly stopping: boolean
}

/** `/health/live`: the process answers. `/health/ready`: it can do its work; 503 while it can't. */
export function serveHealth(app: FastifyInstance, health: () => Promise<Health>): void {
  // The name tells `coweave doctor` that it is no other server's.
  app.get('/health/live', async () => ({ status: 'live', server: 'coweave' }))
  app.get('/health/ready', async (_request, reply) => {
    const { storage, stopping } = await health()
    const ready = storage && !stopping
    return reply.status(ready ? 200 : 503).send({
      status: ready ? 'ready' : 'not ready',
      storage: storage ? 'writable' : 'failing',
      ...(stopping ? { stopping } : {}),
    })
  })
}
