import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { NamedVersion } from '../../model/history.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Deletions } from '../documents/deletions.ts'
import { versionNamed } from '../events/document-events.ts'
import type { History } from '../history/history.ts'
import { documentParameters } from './document-admission.ts'
import { admitTo } from './history.ts'
import { HttpError } from './problem.ts'
import { countRequest } from './rate.ts'
import { parse } from './request.ts'
import { anything, describe } from './route-description.ts'

/** They are listed in one go. */
const MAX_VERSIONS = 1_000

const versionName = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .refine((name) => name.isWellFormed(), 'is not well-formed Unicode')
const newVersion = z.strictObject({ name: versionName, position: z.number().int().optional() })
const renamed = z.strictObject({ name: versionName })
const versionId = z.object({ id: z.string() })
const versionParameters = documentParameters.extend(versionId.shape)
const seenAnswer = z.object({ position: z.int().describe('0 for never'), at: z.int().optional() })
const seenBody = z.strictObject({ position: z.number().int().optional() })

export interface VersionsApi {
  readonly access: Access
  readonly log: UpdateLog
  readonly history: History
  readonly deletions: Deletions
  readonly rates: UserRates
}

/**
 * Positions that people named, and up to where each has seen a document:
 * - `GET …/versions`: all of them, the highest position first;
 * - `POST …/versions` `{ name, position }`: names a position, by default the last one; 201 with the version;
 * - `PATCH …/versions/<id>` `{ name }` and `DELETE …/versions/<id>`;
 * - `GET …/seen`: the position up to which one has seen it, 0 for never;
 * - `POST …/seen` `{ position }`: one has seen it up to there, by default all. For this, `read` is enough.
 */
export function serveVersions(app: FastifyInstance, api: VersionsApi): void {
  const { access, log, history, rates } = api
  app.get(
    '/api/documents/:name/versions',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'List named versions',
      answers: { 200: { text: 'All of them, the highest position first', content: anything } },
    }),
    async (request, reply) => {
      const { name } = await admitTo(request, api, 'read')
      void reply.header('Cache-Control', 'no-store')
      return { versions: await log.versions.list(name) }
    },
  )

  app.post(
    '/api/documents/:name/versions',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'Name a position',
      body: newVersion,
      answers: { 201: { text: 'The version', content: anything } },
    }),
    async (request, reply) => {
      const { name: document, author, user } = await admitTo(request, api, 'write')
      countRequest(rates, user, request, reply)
      const { name, position: given } = parse(newVersion, request.body)
      const position = given ?? (await history.lastPosition(document))
      await history.refuseOutside(document, position)
      if ((await log.versions.list(document)).length >= MAX_VERSIONS)
        throw new HttpError(409, 'version/too-many', `a document has at most ${MAX_VERSIONS} versions; delete some`)
      await access.confirm(document, author.principal)
      const version: NamedVersion = { id: randomUUID(), position, name, author: user, at: Date.now() }
      if (!(await log.versions.add(document, version, [versionNamed(document, version)])))
        throw new HttpError(404, 'history/no-such-position', `nothing was ever written in ${document}`)
      return reply.status(201).send(version)
    },
  )

  app.patch(
    '/api/documents/:name/versions/:id',
    describe({
      tag: 'history',
      parameters: versionParameters,
      summary: 'Rename a version',
      body: renamed,
      answers: { 200: { text: 'It is renamed', content: anything } },
    }),
    async (request, reply) => {
      const { name: document, user } = await admitTo(request, api, 'write')
      countRequest(rates, user, request, reply)
      const { id } = parse(versionId, request.params)
      const { name } = parse(renamed, request.body)
      if (!(await log.versions.rename(document, id, name))) throw noSuchVersion(id)
      return {}
    },
  )

  app.delete(
    '/api/documents/:name/versions/:id',
    describe({
      tag: 'history',
      parameters: versionParameters,
      summary: 'Delete a version',
      answers: { 200: { text: 'It is deleted; what it named stays', content: anything } },
    }),
    async (request, reply) => {
      const { name: document, user } = await admitTo(request, api, 'write')
      countRequest(rates, user, request, reply)
      const { id } = parse(versionId, request.params)
      if (!(await log.versions.remove(document, id))) throw noSuchVersion(id)
      return {}
    },
  )

  app.get(
    '/api/documents/:name/seen',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'Up to where one has seen a document',
      answers: { 200: { text: 'The position', content: seenAnswer } },
    }),
    async (request, reply) => {
      const { name, user } = await admitTo(request, api, 'read')
      const seen = await log.seen.find(name, user)
      void reply.header('Cache-Control', 'no-store')
      return seen === undefined ? { position: 0 } : { position: seen.position, at: seen.at }
    },
  )

  app.post(
    '/api/documents/:name/seen',
    describe({
      tag: 'history',
      parameters: documentParameters,
      summary: 'Tell up to where one has seen a document',
      body: seenBody,
      answers: { 200: { text: 'The position', content: seenAnswer } },
    }),
    async (request, reply) => {
      const { name, author, user } = await admitTo(request, api, 'read')
      countRequest(rates, user, request, reply)
      const { position: given } = parse(seenBody, request.body ?? {})
      const position = given ?? (await history.lastPosition(name))
      await history.refuseUnknown(name, position)
      await access.confirm(name, author.principal, 'read')
      await log.seen.raise(name, [{ user, position, at: Date.now() }])
      return { position: (await log.seen.find(name, user))?.position ?? 0 }
    },
  )
}

function noSuchVersion(id: string): HttpError {
  return new HttpError(404, 'version/unknown', `there is no version ${id}`)
}
