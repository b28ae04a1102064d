import { WebSocket, WebSocketServer } from 'ws'

/** The floor: each message goes to everybody else who connected to the same path, as plain `ws` does that. It keeps nothing. */
const rooms = new Map<string, Set<WebSocket>>()
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
  const address = server.address()
  if (typeof address === 'string' || address === null) throw new Error('the server has no port')
  process.stdout.write(`listening on http://127.0.0.1:${address.port}\n`)
})
server.on('connection', (ws, { url = '/' }) => {
  const room = rooms.get(url) ?? new Set()
  rooms.set(url, room.add(ws))
  ws.on('message', (data) => {
    for (const other of room) if (other !== ws && other.readyState === WebSocket.OPEN) other.send(data)
  })
  ws.on('close', () => room.delete(ws))
})
process.on('SIGTERM', () => process.exit(0))
