import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import { parseDocumentName } from '../../model/document-name.ts'
import { roomOf } from '../../model/rooms.ts'
import type { Deletion } from '../../persistence/update-log.ts'
import { AccessError } from '../access/access-error.ts'
import { allows, type Principal } from '../access/grants.ts'
import { levelIn } from '../access/levels.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Deletions } from '../documents/deletions.ts'
import { HttpError } from './problem.ts'
import { authenticate, parse } from './request.ts'

const deleteQuery = z.object({ erase: z.stringbool().default(false) })

export interface DeletionApi {
  readonly tokens: Tokens
  readonly deletions: Deletions
}

/**
 * Deleting documents, each with the chat beside it. Both may be called again:
 * - `DELETE /api/documents/<name>`: it can be restored for some days; `?erase=true`, for admins, erases it now;
 * - `POST /api/documents/<name>/undelete`: restores it; of an erased one, an admin gets the name back.
 *
 * They take `moderate`, which is for taking away what others wrote, or an admin's token.
 */
export function serveDeletion(app: FastifyInstance, { tokens, deletions }: DeletionApi): void {
  app.delete('/api/documents/:name', async (request) => {
    const { name, principal } = await admit(request, tokens)
    const { erase } = parse(deleteQuery, request.query)
    if (erase) refuseOthersThanAdmins(principal)
    const deletion = await deletions.delete(name, principal.user)
    if (erase) await deletions.erase(name)
    return answerOf(name, erase ? { ...deletion, isErased: true } : deletion)
  })

  app.post('/api/documents/:name/undelete', async (request) => {
    const { name, principal } = await admit(request, tokens)
    const outcome = await deletions.undelete(name)
    if (outcome !== 'erased') return { name, restored: outcome === 'restored' }
    if (!principal.admin) {
      throw new HttpError(410, 'document/erased', `${name} was erased; an admin can let its name be used again`)
    }
    await deletions.free(name)
    return { name, restored: false }
  })

  function answerOf(name: string, deletion: Deletion) {
    const { at, by, isErased } = deletion
    const erasedAt = deletions.erasedAt(deletion)
    return { name, deleted: { at, by, isErased }, ...(erasedAt === undefined ? {} : { erasedAt }) }
  }
}

/** @throws {AccessError} when the token doesn't let in  @throws {HttpError} 409 `document/is-room` */
async function admit(request: FastifyRequest, tokens: Tokens): Promise<{ name: string; principal: Principal }> {
  const principal = await authenticate(request, tokens)
  const name = parseDocumentName(parse(z.object({ name: z.string() }), request.params).name)
  const isRoom = roomOf(name) !== undefined
  if (!principal.admin && !allows(levelIn(name, principal), 'moderate')) {
    throw new AccessError('access/no-grant', CloseCode.Forbidden, `the token does not grant "moderate" in ${name}`)
  }
  if (isRoom) {
    throw new HttpError(
      409,
      'document/is-room',
      `${name} is a room: a chat is deleted with the document it stands beside`,
    )
  }
  return { name, principal }
}

/** @throws {AccessError} `access/not-admin` */
export function refuseOthersThanAdmins({ admin }: Principal): void {
  if (!admin) throw new AccessError('access/not-admin', CloseCode.Forbidden, 'the token is not an admin’s')
}
