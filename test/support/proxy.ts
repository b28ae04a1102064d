import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'

export interface ProxyOptions {
  /** What becomes of a request for a WebSocket. `swallow` accepts it, and then passes nothing on. */
  readonly upgrades?: 'pass' | 'refuse' | 'swallow'
  /** Collects an answer before it passes it on. */
  readonly buffers?: boolean
  /** Called for each request; true throws its answer away once the server has given it. */
  readonly losesAnswer?: (request: IncomingMessage) => boolean
}

export interface Proxy {
  readonly url: string
  readonly socketUrl: string
  close(): Promise<void>
}

/** An HTTP proxy in front of a server, as helpful as `options` says. */
export async function startProxy(server: { readonly port: number }, options: ProxyOptions = {}): Promise<Proxy> {
  const { upgrades = 'refuse', buffers = false, losesAnswer = () => false } = options
  const sockets = new Set<Duplex>()
  const proxy = createServer((incoming, outgoing) => {
    const isLost = losesAnswer(incoming)
    const { method, headers, url } = incoming
    const forwarded = request({ port: server.port, host: '127.0.0.1', method, headers, path: url }, (answer) => {
      if (isLost) {
        answer.resume()
        answer.on('end', () => outgoing.destroy())
      } else if (buffers) {
        collect(answer, outgoing)
      } else {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        outgoing.flushHeaders()
        answer.pipe(outgoing)
        answer.on('aborted', () => outgoing.destroy())
      }
    })
    forwarded.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
  })
  proxy.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  proxy.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {})
    if (upgrades === 'refuse') {
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>Bad Request</h1>')
      return
    }
    const through = connect(server.port, '127.0.0.1')
    sockets.add(through)
    through.on('error', () => socket.destroy())
    const headers = Object.entries(incoming.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    through.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${headers.join('')}\r\n`)
    through.pipe(socket)
    if (upgrades === 'pass') socket.pipe(through)
    else socket.resume()
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy does not listen on a TCP port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    socketUrl: `ws://127.0.0.1:${address.port}/collab`,
    async close() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}

function collect(answer: IncomingMessage, outgoing: ServerResponse): void {
  const chunks: Buffer[] = []
  answer.on('data', (chunk: Buffer) => chunks.push(chunk))
  answer.on('end', () => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    outgoing.end(Buffer.concat(chunks))
  })
}
