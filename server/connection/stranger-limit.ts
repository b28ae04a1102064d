import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/**
 * Bounds the messages of a socket that nobody has vouched for yet. The size limit is larger once a client is known; ws
 * has only one, so that the bytes are counted here as they come. `onExceeded` is called when a message over the limit is
 * coming in; the rest of it is thrown away. Returns what ends the limit.
 */
export function limitStranger(ws: WebSocket, socket: Duplex, maxBytes: number, onExceeded: () => void): () => void {
  let sinceMessage = 0
  const restart = () => {
    sinceMessage = 0
  }
  const count = (chunk: Buffer) => {
    sinceMessage += chunk.length
    if (sinceMessage <= maxBytes) return
    onExceeded()
    // ws would go on collecting the message: up to its own limit for each stranger.
    socket.removeAllListeners('data')
    socket.resume()
    // Its answer is thrown away, too: nothing is left to wait for.
    socket.end()
  }
  ws.on('message', restart)
  socket.on('data', count)
  return () => {
    ws.off('message', restart)
    socket.off('data', count)
  }
}
