import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { isPostgresUrl } from '../persistence/database-url.ts'
import { parseRedisUrl } from './cluster/redis-url.ts'
import type { Config } from './config.ts'

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
 * emptied when it is opened, and several processes may share the database.
 */
export function uploadFolder({ DATABASE_URL, PORT }: Config, given: string | undefined): string {
  const instance = given ?? (PORT === 0 ? `pid-${process.pid}` : `${PORT}`)
  if (isPostgresUrl(DATABASE_URL)) return join(tmpdir(), `coweave-uploads-${instance}`)
  return join(`${DATABASE_URL.replace(/^sqlite:/, '')}.uploads`, instance)
}

/** The port it listens on. */
export function portOf(app: FastifyInstance): number {
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a TCP port')
  return address.port
}
