import type { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { HttpError } from './problem.ts'

/** Lets the routes of `app` take bodies of bytes: as a stream, so that how much of it is kept is up to the route. */
export function acceptBinary(app: FastifyInstance): void {
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
}

/**
 * All bytes of a body; `onChunk` is called as they come.
 * @throws {HttpError} 413 `http/body-too-big` for more than `maxBytes`
 */
export async function collectBody(body: Readable, maxBytes: number, onChunk: () => void = () => {}): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    if (!(chunk instanceof Buffer)) throw new TypeError('a body that is no bytes')
    onChunk()
    length += chunk.length
    if (length > maxBytes) throw new HttpError(413, 'http/body-too-big', `the body has at most ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
