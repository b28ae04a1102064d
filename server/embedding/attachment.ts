import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { CoweaveError } from '../../model/errors.ts'

/** What is served below a path of somebody else's server. Both get requests whose `url` is without that path. */
export interface Served {
  readonly request: (request: IncomingMessage, response: ServerResponse) => void
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** Listeners that take no upgrade: a server may have several, of several that are attached to it. */
const refusers = new WeakSet<object>()

/**
 * Serves `served` below `prefix` of an HTTP server that has other routes. It takes these requests before any listener
 * hears of them, whenever that was added: two that answer the same request break both. Returns how to end it.
 * @throws {CoweaveError} `config/invalid` for a prefix that is no path
 */
export function attach(server: Server, prefix: string, served: Partial<Served>): () => void {
  checkPrefix(prefix)
  const emit = server.emit
  let isAttached = true

  function take(event: unknown, request: unknown, second: unknown, head: unknown): boolean {
    if (!isAttached || !(request instanceof IncomingMessage)) return false
    const [handleRequest, handleUpgrade] = [served.request, served.upgrade]
    const path = pathBelow(prefix, request.url ?? '')
    if (path === undefined) return false
    if (event === 'request' && handleRequest !== undefined && second instanceof ServerResponse) {
      request.url = path
      handleRequest(request, second)
      return true
    }
    if (event !== 'upgrade' || handleUpgrade === undefined || !(second instanceof Duplex)) return false
    request.url = path
    handleUpgrade(request, second, head instanceof Buffer ? head : Buffer.alloc(0))
    return true
  }

  const replaced = function (this: Server, ...given: unknown[]): boolean {
    return take(given[0], given[1], given[2], given[3]) || Reflect.apply(emit, this, given)
  }
  Object.defineProperty(server, 'emit', { value: replaced, configurable: true, writable: true })
  // Node hands out upgrades only while somebody listens for them; then nobody else would close those of other paths.
  const refuseOthers = (_request: IncomingMessage, socket: Duplex) => {
    const listeners = server.listeners('upgrade')
    if (listeners[0] !== refuseOthers || !listeners.every((listener) => refusers.has(listener))) return
    socket.on('error', () => {}) // whoever is refused may be gone: an error that nobody hears would end the process
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
  }
  refusers.add(refuseOthers)
  if (served.upgrade !== undefined) server.on('upgrade', refuseOthers)
  return () => {
    isAttached = false
    server.off('upgrade', refuseOthers)
    // Somebody else may have wrapped it since.
    if (server.emit === replaced)
      Object.defineProperty(server, 'emit', { value: emit, configurable: true, writable: true })
  }
}

/** @throws {CoweaveError} `config/invalid` */
export function checkPrefix(prefix: string): void {
  if (/^(\/[\w.~-]+)+$/.test(prefix)) return
  throw new CoweaveError('config/invalid', `the prefix must be a path such as /collaboration, got "${prefix}"`)
}

/** What stands behind the prefix of a URL; undefined where it is another one. */
function pathBelow(prefix: string, url: string): string | undefined {
  if (!url.startsWith(prefix)) return undefined
  const rest = url.slice(prefix.length)
  if (rest.startsWith('/')) return rest
  return rest === '' || rest.startsWith('?') ? `/${rest}` : undefined
}
