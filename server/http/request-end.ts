import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Of a request whose client left before it was answered. */
const LEFT = 499

/** How a request ended. */
export interface RequestEnd {
  readonly status: number
  /** From its head to the end of its answer. */
  readonly ms: number
}

/** Calls `work` once for each request that came, also where its client leaves first, as readers of streams do. */
export function onRequestEnd(app: FastifyInstance, work: (request: FastifyRequest, end: RequestEnd) => void): void {
  app.addHook('onRequest', (request, { raw }, done) => {
    const begun = performance.now()
    raw.once('close', () => {
      work(request, { status: raw.headersSent ? raw.statusCode : LEFT, ms: performance.now() - begun })
    })
    done()
  })
}
