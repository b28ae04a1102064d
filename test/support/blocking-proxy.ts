import { createServer, request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** A proxy that lets HTTP through, and WebSockets only if it is told to. */
export interface BlockingProxy {
  readonly url: string
  blocksSockets: boolean
  /** Nothing gets through, and what was open breaks off, while it is true. */
  isCut: boolean
  /** How many sockets were asked for. */
  readonly upgrades: number
  close(): void
}

export async function startBlockingProxy(port: number): Promise<BlockingProxy> {
  let upgrades = 0
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((incoming, outgoing) => {
    if (isCut) {
      outgoing.destroy()
      return
    }
    const { method, url, headers } = incoming
    const forwarded = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
  })
  const breakOff = () => {
    server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const proxy = {
    url: '',
    blocksSockets: true,
    get upgrades() {
      return upgrades
    },
    get isCut() {
      return isCut
    },
    set isCut(value) {
      isCut = value
      if (value) breakOff()
    },
    close() {
      server.close()
      breakOff()
    },
  }
  server.on('upgrade', ({ method, url, rawHeaders }, socket: Socket, head) => {
    upgrades += 1
    sockets.add(socket)
    socket.on('error', () => {})
    if (proxy.blocksSockets || isCut) {
      socket.destroy()
      return
    }
    const upstream = connect(port, '127.0.0.1')
    sockets.add(upstream)
    upstream.on('error', () => socket.destroy())
    socket.on('close', () => upstream.destroy())
    const lines = Array.from(
      { length: rawHeaders.length / 2 },
      (_, i) => `${rawHeaders[2 * i]}: ${rawHeaders[2 * i + 1]}`,
    )
    upstream.write([`${method} ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
    upstream.write(head)
    upstream.pipe(socket)
    socket.pipe(upstream)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return proxy
}
