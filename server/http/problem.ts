import type { FastifyReply, FastifyRequest } from 'fastify'
import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import { AccessError } from '../access/access-error.ts'
import { RefusedError } from '../documents/guard.ts'

/** An HTTP answer that is not what was asked for. */
export class HttpError extends CoweaveError {
  override readonly name = 'HttpError'
  readonly status: number

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(code, message, options)
    this.status = status
  }
}

/** When to ask again after an answer that says so, seconds. */
export const RETRY_AFTER_S = 5

/** Whether the same request may be answered a little later. */
export function isTemporary(status: number): boolean {
  return status === 429 || status === 503
}

/** Of errors whose code says more than the area before its slash. */
const STATUS: Readonly<Record<string, number>> = {
  'chat/duplicate-id': 409,
  'chat/segment-closed': 503,
  'document/busy': 503,
  'document/deleted': 410,
  'document/erased': 410,
  'document/exists': 409,
  'document/load-failed': 500,
  'document/moved': 412,
  'document/not-found': 404,
  'document/rules-failed': 503,
  'document/seed-failed': 503,
  'edit/ambiguous': 422,
  'edit/no-such-block': 422,
  'edit/not-found': 422,
  'format/busy': 503,
  'format/failed': 500,
  'format/lossy': 422,
  'format/no-such-field': 422,
  'format/too-big': 413,
  'format/too-many': 429,
  'format/unknown-mark': 422,
  'format/unknown-node': 422,
  'history/busy': 503,
  'history/forgotten': 410,
  'history/no-such-position': 404,
  'history/too-big': 422,
  'history/too-many': 429,
  'search/busy': 503,
  'search/failed': 500,
  'search/too-many': 429,
}

/** Answers with problem details (RFC 9457); `code` is the stable code of the error. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const status = statusOf(error)
  if (status >= 500) request.log.error({ error }, 'request failed')
  const code = error instanceof CoweaveError ? error.code : status < 500 ? 'http/bad-request' : 'http/internal'
  const detail =
    status < 500 && error instanceof Error ? error.message : 'the server failed to answer; its log tells more'
  if (isTemporary(status) && !reply.hasHeader('Retry-After')) void reply.header('Retry-After', RETRY_AFTER_S)
  void reply.status(status).type('application/problem+json').send({ title: code, status, code, detail })
}

/** Of refusals whose close code says more than that it is forbidden. */
const STATUS_OF_CLOSE_CODE: Readonly<Record<number, number>> = {
  [CloseCode.Malformed]: 400,
  [CloseCode.Unauthorized]: 401,
  [CloseCode.ClientIdTaken]: 409,
  [CloseCode.Deleted]: 410,
  [CloseCode.Reset]: 409,
  [CloseCode.TooBig]: 413,
  [CloseCode.TooMany]: 429,
}

/** The status that says what `error` says. */
export function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status
  if (error instanceof RefusedError) return 422
  if (error instanceof AccessError) return STATUS_OF_CLOSE_CODE[error.closeCode] ?? 403
  if (error instanceof CoweaveError) {
    const status = STATUS[error.code]
    if (status !== undefined) return status
    return error.code.startsWith('storage/') || error.code === 'access/unavailable' ? 503 : 400
  }
  // Fastify's own errors, such as a body that is no JSON.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode
  return 500
}
