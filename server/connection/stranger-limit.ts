import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

export interface StrangerLimit {
  readonly maxBytes: number
  /** Whether a token has been good: then the limit ends. */
  readonly isKnown: () => boolean
  /** A message over the limit is coming in; the rest of it is thrown away. */
  readonly onExceeded: () => void
}

/**
 * Bounds the messages of a socket that nobody has vouched for yet. The size limit is larger once a client is known;
 * ws has only one, so that the bytes are counted here as they come.
 */
export function limitStranger(ws: WebSocket, socket: Duplex, { maxBytes, isKnown, onExceeded }: StrangerLimit): void {
  let sinceMessage = 0
  ws.on('message', () => {
    sinceMessage = 0
  })
  const count = (chunk: Buffer) => {
    if (isKnown()) {
      socket.off('data', count)
      return
    }
    sinceMessage += chunk.length
    if (sinceMessage <= maxBytes) return
    onExceeded()
    // ws would go on collecting the message: up to its own limit for each stranger.
    socket.removeAllListeners('data')
    socket.resume()
    // Its answer is thrown away, too: nothing is left to wait for.
    socket.end()
  }
  socket.on('data', count)
}
