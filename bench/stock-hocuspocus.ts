import { createSecretKey } from 'node:crypto'
import { Redis } from '@hocuspocus/extension-redis'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { type onAuthenticatePayload, Server } from '@hocuspocus/server'
import jwt from 'jsonwebtoken'

const SILENCE_MS = 600_000

/**
 * Stock Hocuspocus as its guide sets it up, for comparison; with Redis, as its guide sets up several; with a secret, tokens
 * are verified with the same library as ours, or it takes any.
 */
const { DATABASE, REDIS_PORT, JWT_SECRET } = process.env
const redis = REDIS_PORT === undefined ? [] : [new Redis({ host: '127.0.0.1', port: Number(REDIS_PORT) })]
const key = JWT_SECRET === undefined ? undefined : createSecretKey(JWT_SECRET, 'utf8')
const authentication = key && {
  onAuthenticate: async ({ token }: onAuthenticatePayload) => ({ claims: jwt.verify(token, key) }),
}
const server = new Server({
  port: 0,
  address: '127.0.0.1',
  quiet: true,
  // By itself it cuts off who has said nothing for a minute, as idle clients here do.
  timeout: SILENCE_MS,
  ...authentication,
  extensions: [...redis, new SQLite({ database: DATABASE ?? ':memory:' })],
})
await server.listen()
process.stdout.write(`listening on http://127.0.0.1:${server.address.port}\n`)
process.on('SIGTERM', () => process.exit(0))
