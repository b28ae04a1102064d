import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { HttpError } from './problem.ts'

/** Lets the routes of `app` take bodies of bytes: as a stream, so that how much of it is kept is up to the route. */
export function acceptBinary(app: FastifyInstance): void {
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
}

/**
 * The bytes of a body as they come.
 * @throws {HttpError} 413 `http/body-too-big` for more than `maxBytes`, 400 `http/incomplete-body` when it breaks off
 */
export async function* readBody(body: unknown, maxBytes: number): AsyncGenerator<Buffer> {
  // A request without a body has none here.
  if (!(body instanceof Readable)) return
  let length = 0
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      if (!(chunk instanceof Buffer)) throw new TypeError('a body that is no bytes')
      length += chunk.length
      if (length > maxBytes) throw new HttpError(413, 'http/body-too-big', `the body has at most ${maxBytes} bytes`)
      yield chunk
    }
  } catch (cause) {
    if (body.readableAborted) throw new HttpError(400, 'http/incomplete-body', 'the body broke off', { cause })
    throw cause
  } finally {
    // The rest is read and thrown away, or a client that is still sending would not see the answer.
    body.resume()
  }
}
