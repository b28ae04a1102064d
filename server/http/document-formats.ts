import type { FastifyRequest } from 'fastify'
import type * as Y from 'yjs'
import { encodeShown } from '../documents/apply-update.ts'
import { contentFormats, readContent } from '../formats/formats.ts'
import { toYjsJson } from '../formats/yjs-json.ts'
import { HttpError } from './problem.ts'

export const formats = [...contentFormats, 'yjs-json', 'update'] as const
export type Format = (typeof formats)[number]

export const mediaTypes: Readonly<Record<Format, string>> = {
  markdown: 'text/markdown',
  html: 'text/html',
  json: 'application/json',
  text: 'text/plain',
  'yjs-json': 'application/vnd.coweave.yjs+json',
  update: 'application/octet-stream',
}

const NO_STATE = Uint8Array.of(0)

/** A document in a format, ready to send. @throws {FormatError} */
export function represent(ydoc: Y.Doc, field: string, format: Format): string | Buffer {
  if (format === 'update') return Buffer.from(encodeShown(ydoc, NO_STATE))
  const content = format === 'yjs-json' ? toYjsJson(ydoc) : readContent(ydoc, field, format)
  return typeof content === 'string' ? content : JSON.stringify(content)
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
