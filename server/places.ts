import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { isPostgresUrl } from '../persistence/database-url.ts'
import { parseRedisUrl } from './cluster/redis-url.ts'
import type { Config } from './config.ts'
import type { LeftFoldersOptions } from './http/left-folders.ts'

/** What Redis needs, which most servers don't load. @throws {CoweaveError} `config/invalid` */
export async function loadRedis(url: string) {
  const target = parseRedisUrl(url)
  const [{ Relay }, { connectForCommands }] = await Promise.all([
    import('./cluster/relay.ts'),
    import('./cluster/redis-connections.ts'),
  ])
  return { target, Relay, connectForCommands }
}

/**
 * Beside the database, where that is a file: a folder for temporary files is often memory. One for each instance, since it is
 * emptied when it is opened, and several processes may share the database: named by the port or, where that tells nothing,
 * by the process, with something random, so that no two ever have the same. `left` is where others left theirs.
 */
export function uploadFolder(
  { DATABASE_URL, PORT }: Pick<Config, 'DATABASE_URL' | 'PORT'>,
  isEmbedded: boolean,
): { readonly folder: string; readonly left: LeftFoldersOptions } {
  const isByProcess = isEmbedded || PORT === 0
  const instance = isByProcess ? `pid-${process.pid}-${randomUUID()}` : `${PORT}`
  const folder = isPostgresUrl(DATABASE_URL)
    ? join(tmpdir(), `coweave-uploads-${instance}`)
    : join(`${DATABASE_URL.replace(/^sqlite:/, '')}.uploads`, instance)
  return {
    folder,
    left: { parent: dirname(folder), prefix: basename(folder).slice(0, -instance.length).concat('pid-') },
  }
}

/** The port it listens on. */
export function portOf(app: FastifyInstance): number {
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a TCP port')
  return address.port
}
