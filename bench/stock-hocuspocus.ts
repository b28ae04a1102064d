import { Redis } from '@hocuspocus/extension-redis'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'

/** Stock Hocuspocus as its guide sets it up, for comparison; with Redis, as its guide sets up several. */
const { DATABASE, REDIS_PORT } = process.env
const redis = REDIS_PORT === undefined ? [] : [new Redis({ host: '127.0.0.1', port: Number(REDIS_PORT) })]
const server = new Server({
  port: 0,
  address: '127.0.0.1',
  quiet: true,
  extensions: [...redis, new SQLite({ database: DATABASE ?? ':memory:' })],
})
await server.listen()
process.stdout.write(`listening on http://127.0.0.1:${server.address.port}\n`)
process.on('SIGTERM', () => process.exit(0))
