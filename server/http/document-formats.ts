import type { FastifyRequest } from 'fastify'
import type { Format } from '../conversions/protocol.ts'
import { contentFormats } from '../formats/content-formats.ts'
import { HttpError } from './problem.ts'

export const formats = [...contentFormats, 'yjs-json', 'update'] as const satisfies readonly Format[]

export const mediaTypes: Readonly<Record<Format, string>> = {
  markdown: 'text/markdown',
  html: 'text/html',
  json: 'application/json',
  text: 'text/plain',
  'yjs-json': 'application/vnd.coweave.yjs+json',
  update: 'application/octet-stream',
}

/** The format that a client would rather have; JSON where it doesn't say. @throws {HttpError} 406 `http/not-acceptable` */
export function acceptedFormat({ headers }: FastifyRequest): Format {
  const ranges = (headers.accept ?? '*/*').split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))
    return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) }
  })
  for (const { type } of ranges
    .filter(({ quality }) => quality > 0)
    .sort((one, other) => other.quality - one.quality)) {
    const found = type === '*/*' ? 'json' : formats.find((format) => matches(type, mediaTypes[format]))
    if (found !== undefined) return found
  }
  throw new HttpError(406, 'http/not-acceptable', `a document comes as ${Object.values(mediaTypes).join(', ')}`)
}

/** The format of a request's body. @throws {HttpError} 415 `http/unsupported-type` */
export function sentFormat({ headers }: FastifyRequest): Format {
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  const found = formats.find((format) => mediaTypes[format] === type)
  if (found !== undefined) return found
  throw new HttpError(415, 'http/unsupported-type', `a document is sent as ${Object.values(mediaTypes).join(', ')}`)
}

function matches(range: string, type: string): boolean {
  return range === type || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)))
}
