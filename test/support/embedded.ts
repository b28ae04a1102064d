import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Coweave, type CoweaveOptions, createCoweave } from '../../server/index.ts'
import { databaseUrl, temporaryFolder, testSecret } from './server.ts'

/** Coweave in this process, on an HTTP server that has other routes. */
export interface Embedded {
  readonly coweave: Coweave
  readonly host: Server
  /** With the prefix. */
  readonly url: string
  /** `ws://…/collab` */
  readonly socketUrl: string
  readonly port: number
  /** Stops both. */
  stop(): Promise<void>
}

export const PREFIX = '/collaboration'

export async function startEmbedded(
  options: Omit<CoweaveOptions, 'server' | 'prefix'> = {},
  listener: RequestListener = (_request, response) => response.end('the product'),
): Promise<Embedded> {
  const host = createServer(listener)
  const coweave = await createCoweave({
    ...options,
    settings: embeddedSettings(options.settings),
    server: host,
    prefix: PREFIX,
  })
  await coweave.start()
  const port = await listen(host)
  return {
    coweave,
    host,
    url: `http://127.0.0.1:${port}${PREFIX}`,
    socketUrl: `ws://127.0.0.1:${port}${PREFIX}/collab`,
    port,
    async stop() {
      await coweave.stop()
      host.closeAllConnections()
      host.close()
    },
  }
}

/** Of a server in a test's process: a database of its own, and the secret of `tokenFor`. */
export function embeddedSettings(more: CoweaveOptions['settings'] = {}): NonNullable<CoweaveOptions['settings']> {
  return { DATABASE_URL: databaseUrl(temporaryFolder()), JWT_SECRET: testSecret, LOG_LEVEL: 'silent', ...more }
}

/** Resolves with the port. */
export async function listen(host: Server): Promise<number> {
  host.listen(0, '127.0.0.1')
  await once(host, 'listening')
  return portOf(host.address())
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('it listens on no port')
  return address.port
}
