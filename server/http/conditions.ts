import type { FastifyRequest } from 'fastify'
import type { WantedPosition } from '../documents/document-writer.ts'
import { HttpError } from './problem.ts'

/** A document's ETag is its position in the log. */
export function etagOf(position: number): string {
  return `"${position}"`
}

/**
 * What `If-Match` wants (RFC 9110, section 13.1.1).
 * @throws {HttpError} 400 `http/bad-request`
 */
export function wantedPosition({ headers }: FastifyRequest): WantedPosition {
  const wanted = headers['if-match']?.trim()
  if (wanted === '*') return 'any'
  return wanted === undefined ? undefined : positionOf(wanted)
}

/** The position in an ETag. @throws {HttpError} 400 `http/bad-request` */
export function positionOf(etag: string): number {
  const position = Number(/^(?:W\/)?"(\d{1,15})"$/.exec(etag)?.[1] ?? Number.NaN)
  if (Number.isSafeInteger(position)) return position
  throw new HttpError(400, 'http/bad-request', `${etag.slice(0, 40)} is no ETag of a document: one is like "12"`)
}

/** Whether `If-None-Match` names a position, or any that there is. */
export function isExcluded({ headers }: FastifyRequest, position: number): boolean {
  const tags = (headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(etagOf(position)) || (position > 0 && tags.includes('*'))
}
