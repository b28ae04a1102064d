import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  request as sendRequest,
} from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'

const HOST = '127.0.0.1'
const CHECK_MS = 250
const CHECK_TIMEOUT_MS = 1_000
const RETRY_AFTER_S = 1

/** A load balancer on loopback, in front of instances on the same machine. */
export interface Front {
  readonly port: number
  /** The ports of the instances that get new clients, as the last look at `/health/ready` showed. */
  readonly ready: readonly number[]
  /** Ends all connections. */
  close(): Promise<void>
}

/**
 * Shares sockets out among the instances that are ready, in turn. HTTP goes to the first of them: the way over HTTP and
 * uploads in parts are many requests that belong to one instance, and here all come from one address.
 */
export async function startFront(instances: readonly number[], port = 0): Promise<Front> {
  let ready: readonly number[] = []
  let turn = 0

  async function check(): Promise<void> {
    const answers = await Promise.all(instances.map(isReady))
    ready = instances.filter((_port, index) => answers[index])
  }

  /** Whoever finds an instance gone need not let others run into it until the next look. */
  function lost(instance: number): void {
    ready = ready.filter((other) => other !== instance)
  }

  function forward(request: IncomingMessage, response: ServerResponse): void {
    const [instance] = ready
    if (instance === undefined) {
      response.writeHead(503, { 'Retry-After': RETRY_AFTER_S }).end()
      return
    }
    const { method, url: path } = request
    const onward = sendRequest({ host: HOST, port: instance, method, path, headers: forwardedHeaders(request) })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
    onward.on('error', () => {
      lost(instance)
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
    endTogether(response, onward)
    request.pipe(onward)
  }

  function join(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {}) // its close event follows
    const instance = ready[turn % ready.length]
    turn += 1
    if (instance === undefined) {
      socket.end(`HTTP/1.1 503 Service Unavailable\r\nRetry-After: ${RETRY_AFTER_S}\r\nConnection: close\r\n\r\n`)
      return
    }
    const onward = connect(instance, HOST, () => {
      onward.write(headOf(request))
      onward.write(head)
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => lost(instance))
    onward.on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    joined.add(socket)
    socket.on('close', () => joined.delete(socket))
  }

  const joined = new Set<Duplex>()
  const server = createServer(forward).on('upgrade', join).listen(port, HOST)
  await once(server, 'listening')
  await check()
  let timer = setTimeout(checkAgain, CHECK_MS)
  async function checkAgain(): Promise<void> {
    await check()
    if (server.listening) timer = setTimeout(checkAgain, CHECK_MS)
  }

  return {
    port: portOf(server.address()),
    get ready() {
      return ready
    },
    async close() {
      clearTimeout(timer)
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      for (const socket of joined) socket.destroy()
      await closed
    },
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const url = `http://${HOST}:${port}/health/ready`
    const response = await fetch(url, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false // it is down, or too busy to tell
  }
}

/** A stream that nobody reads any more must not stay open behind the front. */
function endTogether(response: ServerResponse, onward: ClientRequest): void {
  response.on('close', () => onward.destroy())
}

function forwardedHeaders({ headers, socket }: IncomingMessage): IncomingHttpHeaders {
  const before = headers['x-forwarded-for']
  const address = socket.remoteAddress ?? ''
  return { ...headers, 'x-forwarded-for': before === undefined ? address : `${before}, ${address}` }
}

/** The lines of a request, as they go on to an instance. */
function headOf(request: IncomingMessage): string {
  const lines = Object.entries(forwardedHeaders(request)).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}: ${one}\r\n`),
  )
  return `${request.method} ${request.url} HTTP/1.1\r\n${lines.join('')}\r\n`
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('the front does not listen on a TCP port')
  return address.port
}
