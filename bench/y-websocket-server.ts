import type { IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import { type WebSocket, WebSocketServer } from 'ws'

/**
 * The y-websocket server, as its package runs it, for comparison. It is that of y-websocket 2: the same program is published
 * as @y/websocket-server by now, for a Yjs 14 that its clients don't speak.
 */
interface YWebsocketUtils {
  setupWSConnection(ws: WebSocket, request: IncomingMessage): void
}

const { setupWSConnection }: YWebsocketUtils = createRequire(import.meta.url)('y-websocket-2/bin/utils')
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
  const address = server.address()
  if (typeof address === 'string' || address === null) throw new Error('the server has no port')
  process.stdout.write(`listening on http://127.0.0.1:${address.port}\n`)
})
server.on('connection', setupWSConnection)
process.on('SIGTERM', () => process.exit(0))
