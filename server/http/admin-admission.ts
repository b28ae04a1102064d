import type { FastifyRequest } from 'fastify'
import type { Principal } from '../access/grants.ts'
import type { Tokens } from '../access/tokens.ts'
import { refuseOthersThanAdmins } from './deletion.ts'
import { authenticate } from './request.ts'

/** @throws {AccessError} without a token that says `admin: true` */
export async function admitAdmin(request: FastifyRequest, tokens: Tokens): Promise<Principal> {
  const principal = await authenticate(request, tokens)
  refuseOthersThanAdmins(principal)
  return principal
}
