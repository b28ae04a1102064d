import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Principal } from '../access/grants.ts'
import { HttpError } from './problem.ts'

interface Verifier {
  verify(token: string): Promise<Principal>
}

/** @throws {AccessError} without a valid `Authorization: Bearer` */
export function authenticate({ headers }: FastifyRequest, tokens: Verifier): Promise<Principal> {
  const [scheme, token] = headers.authorization?.split(' ') ?? []
  return tokens.verify(scheme?.toLowerCase() === 'bearer' ? (token ?? '') : '')
}

/** @throws {HttpError} 400 `http/bad-request`, saying what is wrong */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new HttpError(400, 'http/bad-request', z.prettifyError(result.error))
}
