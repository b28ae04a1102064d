import { type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { CloseCode } from '../../model/close-codes.ts'
import { documentNameProblem } from '../../model/document-name.ts'
import { CoweaveError } from '../../model/errors.ts'
import { clientAddress } from '../access/client-address.ts'
import { allowsOrigin } from '../access/origins.ts'
import { parseSchema } from '../access/schema.ts'
import { HttpError, isTemporary, RETRY_AFTER_S, statusOf } from '../http/problem.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { type Dialect, hocuspocusDialect, yWebsocketDialect } from './dialect.ts'
import type { LoadGuard } from './load-guard.ts'
import { type ConnectionOwner, type Parts, SocketConnection } from './socket-connection.ts'
import { SocketTransport } from './socket-transport.ts'
import { Strangers } from './strangers.ts'
import type { Transport } from './transport.ts'
import { Wheel } from './wheel.ts'

/** How long a refused socket has for hearing why. */
const REFUSAL_MS = 1_000
const Y_WEBSOCKET_PREFIX = '/yjs/'
const SUBPROTOCOL = 'coweave'

/** What an upgrade request asks for; where the token isn't in a message, it comes along. */
interface Route {
  readonly dialect: Dialect
  readonly schema: number | undefined
  readonly authentication?: { readonly key: string; readonly token: string }
}

/** From an upgrade request to a connection: path, origin and dialect. Keeps all connections and their clock. */
export class Gateway implements ConnectionOwner {
  readonly connections = new Set<SocketConnection>()
  readonly #parts: Parts
  readonly #load: LoadGuard
  readonly #addresses: ConnectionCounts
  readonly #strangers: Strangers
  readonly #sockets: WebSocketServer
  readonly #clock = new Wheel<SocketConnection>()
  #draining = false
  #stopping = false

  constructor(parts: Parts, load: LoadGuard) {
    this.#parts = parts
    this.#load = load
    this.#addresses = new ConnectionCounts(parts.config.MAX_CONNECTIONS_PER_ADDRESS)
    this.#strangers = new Strangers(parts.config.MAX_UNAUTHENTICATED_CONNECTIONS)
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: parts.config.MAX_MESSAGE_BYTES,
      // Frames are written past ws, which compression would not allow; updates are compact as they are.
      perMessageDeflate: false,
      // A browser gives up a socket whose server picks none of the subprotocols it offered.
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : ([...offered][0] ?? false)),
    })
  }

  /** Handles the `upgrade` event of an HTTP server. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', this.#onSocketError)
    try {
      this.#accept(request, socket, head, this.#routeOf(request))
    } catch (error) {
      if (!(error instanceof CoweaveError)) throw error
      this.#parts.egresses.traffic.refused(error.code)
      refuse(socket, error)
    }
  }

  /**
   * Those of `users` of whom a connection was heard of since then, ms since 1970. The others' connections are asked for a
   * sign of life.
   */
  present(users: ReadonlySet<string>, since: number): Set<string> {
    const present = new Set<string>()
    for (const connection of this.connections) {
      const wanted = connection.users.filter((user) => users.has(user))
      if (wanted.length > 0 && connection.probe(since)) for (const user of wanted) present.add(user)
    }
    return present
  }

  /**
   * Accepts no more clients, and sends away those there are one after the other, spread evenly over `durationMs`, so that
   * they don't all fall on the other instances in one moment. Resolves once all have left; until its turn comes, each is
   * served as ever.
   */
  async drain(durationMs: number): Promise<void> {
    this.#draining = true
    const connections = [...this.connections]
    const stepMs = durationMs / connections.length
    const sendAway = async (connection: SocketConnection, index: number) => {
      await delay((index + 1) * stepMs, undefined, { ref: false })
      await this.#sendAway(connection)
    }
    await Promise.all(connections.map(sendAway))
  }

  /** Accepts no more sockets and takes no more messages; what was taken goes on to be committed and answered. */
  stop(): void {
    this.#stopping = true
    this.#clock.stop()
    for (const connection of this.connections) connection.stopReading()
  }

  closeUser(user: string, code: CloseCode, reason: string): void {
    for (const connection of this.connections) if (connection.users.includes(user)) connection.close(code, reason)
  }

  closeAll(code: CloseCode, reason: string): void {
    for (const connection of this.connections) connection.close(code, reason)
  }

  /** Returns if a client with these headers may connect now. @throws {HttpError} */
  admit({ origin, host }: IncomingHttpHeaders): void {
    if (this.#stopping) throw serverIsStopping()
    if (!allowsOrigin(origin, host, this.#parts.config)) {
      throw new HttpError(403, 'connection/origin', 'this origin is not among ALLOWED_ORIGINS')
    }
  }

  /** Returns if there is room for one more connection, whose request this is. @throws {HttpError} */
  admitNew(request: IncomingMessage): void {
    this.admit(request.headers)
    if (this.#draining) throw serverIsStopping()
    const { problem } = this.#load
    if (problem !== undefined) throw new HttpError(503, 'connection/overloaded', problem)
  }

  /**
   * Takes a client that speaks the Hocuspocus protocol over what `open` makes.
   * @throws {HttpError} `connection/too-many`
   */
  connect(request: IncomingMessage, schema: number | undefined, open: () => Transport): void {
    const address = this.#addressOf(request)
    if (!this.#addresses.join(address)) throw new HttpError(429, 'connection/too-many', this.#tooMany)
    this.#connect(open(), { dialect: hocuspocusDialect, schema }, address)
  }

  authenticated(connection: SocketConnection): void {
    this.#strangers.delete(connection)
  }

  retimed(connection: SocketConnection): void {
    this.#clock.put(connection, connection.dueAt)
  }

  closed(connection: SocketConnection): void {
    this.connections.delete(connection)
    this.#clock.delete(connection)
    this.#strangers.delete(connection)
    this.#addresses.leave(connection.address)
  }

  /** Admins have revoked tokens. */
  revoked(): void {
    for (const connection of this.connections) connection.revoked()
  }

  /** @throws {CoweaveError} for what can't become a connection */
  #routeOf(request: IncomingMessage): Route {
    this.admitNew(request)
    const url = parseUrl(request)
    const schema = parseSchema(url.searchParams.get('schema') ?? undefined)
    if (url.pathname === '/' || url.pathname === '/collab') return { dialect: hocuspocusDialect, schema }
    if (!url.pathname.startsWith(Y_WEBSOCKET_PREFIX)) {
      throw new HttpError(404, 'http/not-found', 'sockets are at /collab and /yjs/<document>')
    }
    const document = decodePath(url.pathname.slice(Y_WEBSOCKET_PREFIX.length))
    const problem = documentNameProblem(document)
    if (problem !== undefined) throw new HttpError(400, 'document/bad-name', problem)
    const token = url.searchParams.get('token') ?? tokenFromProtocols(request) ?? ''
    return { dialect: yWebsocketDialect(document), schema, authentication: { key: document, token } }
  }

  #accept(request: IncomingMessage, socket: Duplex, head: Buffer, route: Route): void {
    const address = this.#addressOf(request)
    this.#sockets.handleUpgrade(request, socket, head, (ws) => {
      if (this.#addresses.join(address)) {
        this.#connect(new SocketTransport(ws, socket, this.#parts.config.MAX_UNAUTHENTICATED_BYTES), route, address)
      } else {
        // A browser's page learns the code of a socket, and never the status of a handshake.
        ws.on('error', this.#onSocketError)
        ws.close(CloseCode.TooMany, this.#tooMany)
        setTimeout(() => ws.terminate(), REFUSAL_MS).unref()
      }
    })
  }

  get #tooMany(): string {
    return `an address has at most ${this.#addresses.max} connections`
  }

  /** The same for all where nobody counts them: to ask for it costs a system call. */
  #addressOf(request: IncomingMessage): string {
    if (this.#addresses.max === 0) return ''
    return clientAddress(request, this.#parts.config.TRUSTED_PROXIES)
  }

  #connect(transport: Transport, { dialect, schema, authentication }: Route, address: string): void {
    const client = { owner: this, dialect, schema, address }
    const connection = new SocketConnection(transport, client, this.#parts)
    this.connections.add(connection)
    this.#strangers.add(connection)
    this.#clock.put(connection, connection.dueAt)
    if (authentication !== undefined) connection.authenticate(authentication.key, authentication.token)
  }

  /** What was taken of the client is answered first, as far as storage and the client take it now. */
  async #sendAway(connection: SocketConnection): Promise<void> {
    connection.stopReading()
    await this.#parts.durability.settled()
    await this.#parts.egresses.sent()
    connection.close(CloseCode.GoingAway, 'the server is stopping')
  }

  readonly #onSocketError = (error: Error): void => this.#parts.logger.debug({ error }, 'socket error')
}

function serverIsStopping(): HttpError {
  return new HttpError(503, 'connection/stopping', 'the server is stopping')
}

/** A token offered as a subprotocol stays out of the logs of proxies. */
function tokenFromProtocols(request: IncomingMessage): string | undefined {
  const offered = request.headers['sec-websocket-protocol']?.split(',') ?? []
  return offered.map((protocol) => protocol.trim()).find((protocol) => protocol.split('.').length === 3)
}

/** @throws {HttpError} `http/bad-request` */
function parseUrl({ url }: IncomingMessage): URL {
  const absolute = `http://localhost${url ?? '/'}`
  if (!URL.canParse(absolute)) throw new HttpError(400, 'http/bad-request', 'the URL can not be read')
  return new URL(absolute)
}

/** @throws {HttpError} `http/bad-request` */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new HttpError(400, 'http/bad-request', 'the path is not percent-encoded UTF-8', { cause })
  }
}

function refuse(socket: Duplex, error: CoweaveError): void {
  const { code, message } = error
  const status = statusOf(error)
  const body = JSON.stringify({ title: code, status, code, detail: message })
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(isTemporary(status) ? [`Retry-After: ${RETRY_AFTER_S}`] : []),
  ]
  // A peer that doesn't end its half would keep the socket open for ever.
  socket.once('finish', () => socket.destroy())
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`)
}
