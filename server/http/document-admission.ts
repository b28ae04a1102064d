import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { parseDocumentName } from '../../model/document-name.ts'
import { roomOf } from '../../model/rooms.ts'
import type { Access } from '../access/access.ts'
import type { Level, Principal } from '../access/grants.ts'
import type { Author } from '../documents/guard.ts'
import { HttpError } from './problem.ts'
import { authenticate, parse } from './request.ts'

/** Of routes below `/api/documents/:name`. */
export const documentParameters = z.object({
  name: z.string().describe('The name of a document, percent-encoded: `notes%2Flaunch-plan`'),
})

/** @throws {AccessError} when the token doesn't let in  @throws {CoweaveError} `document/bad-name` */
export async function admit(
  request: FastifyRequest,
  access: Access,
  needed: (name: string) => Level,
): Promise<{ name: string; author: Author }> {
  const principal = await authenticate(request, access)
  const name = parseDocumentName(parse(documentParameters, request.params).name)
  const level = needed(name)
  const author = await authorOf(access, principal, name, level)
  if (level !== 'read') access.refuseMuted(principal.user, name)
  return { name, author }
}

/** @throws {AccessError} `access/no-grant` when the principal may not do that much in the document */
export async function authorOf(access: Access, principal: Principal, name: string, needed: Level): Promise<Author> {
  return { principal, level: await access.need(name, principal, needed) }
}

/** @throws {HttpError} 409 `document/is-room`: rooms have rules, and ways of their own */
export function refuseRooms(name: string): void {
  if (roomOf(name) === undefined) return
  throw new HttpError(
    409,
    'document/is-room',
    `${name} is a room: this is for documents; a chat goes with the one it is beside`,
  )
}
