import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import { parseDocumentName } from '../../model/document-name.ts'
import type { Deletion } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import { AccessError } from '../access/access-error.ts'
import type { Principal } from '../access/grants.ts'
import type { Audit } from '../admin/audit.ts'
import type { Deletions } from '../documents/deletions.ts'
import { documentParameters, refuseRooms } from './document-admission.ts'
import { HttpError } from './problem.ts'
import { authenticate, parse } from './request.ts'
import { describe } from './route-description.ts'

const deleteQuery = z.object({ erase: z.stringbool().default(false) })
const deletedAnswer = z.object({
  name: z.string(),
  deleted: z.object({ at: z.int(), by: z.string(), isErased: z.boolean() }),
  erasedAt: z.int().optional().describe('When it will be erased, ms since 1970'),
})

export interface DeletionApi {
  readonly access: Access
  readonly deletions: Deletions
  readonly audit: Audit
}

/**
 * Deleting documents, each with the chat beside it. Both may be called again:
 * - `DELETE /api/documents/<name>`: it can be restored for some days; `?erase=true`, for admins, erases it now;
 * - `POST /api/documents/<name>/undelete`: restores it; of an erased one, an admin gets the name back.
 *
 * They take `moderate`, which is for taking away what others wrote, or an admin's token.
 */
export function serveDeletion(app: FastifyInstance, { access, deletions, audit }: DeletionApi): void {
  const deleting = describe({
    tag: 'documents',
    summary: 'Delete a document, with the chat beside it',
    details: 'It can be restored for some days. With `erase`, for admins, it is erased now.',
    parameters: documentParameters,
    query: deleteQuery,
    answers: { 200: { text: 'It is deleted', content: deletedAnswer } },
  })
  app.delete('/api/documents/:name', deleting, async (request) => {
    const { name, principal } = await admitModerator(request, access)
    const { erase } = parse(deleteQuery, request.query)
    if (erase) refuseOthersThanAdmins(principal)
    const deletion = await audited(principal, erase ? 'erase' : 'delete', name, async () => {
      const deletion = await deletions.delete(name, principal.user)
      if (erase) await deletions.erase(name)
      return deletion
    })
    return answerOf(name, erase ? { ...deletion, isErased: true } : deletion)
  })

  const restoring = describe({
    tag: 'documents',
    summary: 'Restore a deleted document',
    details: 'Of an erased one, an admin gets the name back: it can be written again.',
    parameters: documentParameters,
    answers: { 200: { text: 'It is there', content: z.object({ name: z.string(), restored: z.boolean() }) } },
  })
  app.post('/api/documents/:name/undelete', restoring, async (request) => {
    const { name, principal } = await admitModerator(request, access)
    return await audited(principal, 'undelete', name, async () => {
      const outcome = await deletions.undelete(name)
      if (outcome !== 'erased') return { name, restored: outcome === 'restored' }
      if (!principal.admin) {
        throw new HttpError(410, 'document/erased', `${name} was erased; an admin can let its name be used again`)
      }
      await deletions.free(name)
      return { name, restored: false }
    })
  })

  /** What others than admins do is told by the deletion itself. */
  function audited<T>(
    { admin, user }: Principal,
    action: string,
    document: string,
    work: () => Promise<T>,
  ): Promise<T> {
    return admin ? audit.of({ admin: user, action, user: '', document, detail: '' }, work) : work()
  }

  function answerOf(name: string, deletion: Deletion) {
    const { at, by, isErased } = deletion
    const erasedAt = deletions.erasedAt(deletion)
    return { name, deleted: { at, by, isErased }, ...(erasedAt === undefined ? {} : { erasedAt }) }
  }
}

/** Who may take away what others wrote. @throws {AccessError} when the token doesn't let in  @throws {HttpError} 409 `document/is-room` */
export async function admitModerator(
  request: FastifyRequest,
  access: Access,
): Promise<{ name: string; principal: Principal }> {
  const principal = await authenticate(request, access)
  const name = parseDocumentName(parse(documentParameters, request.params).name)
  if (!principal.admin) await access.need(name, principal, 'moderate')
  refuseRooms(name)
  return { name, principal }
}

/** @throws {AccessError} `access/not-admin` */
export function refuseOthersThanAdmins({ admin }: Principal): void {
  if (!admin) throw new AccessError('access/not-admin', CloseCode.Forbidden, 'the token is not an admin’s')
}
