import { readFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { fileURLToPath } from 'node:url'
import cors from '@fastify/cors'
import { Hocuspocus } from '@hocuspocus/server'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyServerFactory } from 'fastify'
import type { Logger } from 'pino'
import { CloseCode } from '../model/close-codes.ts'
import { CoweaveError } from '../model/errors.ts'
import { isPostgresUrl } from '../persistence/database-url.ts'
import { openLog } from '../persistence/open-log.ts'
import type { UpdateLog } from '../persistence/update-log.ts'
import { allowsOrigin } from './access/origins.ts'
import { Tokens } from './access/tokens.ts'
import { Cluster } from './cluster/cluster.ts'
import { connectForCommands } from './cluster/redis-connections.ts'
import { parseRedisUrl } from './cluster/redis-url.ts'
import { Relay } from './cluster/relay.ts'
import { type Config, isDemo } from './config.ts'
import { Authentication } from './connection/authentication.ts'
import { ConnectionCounts } from './connection/connection-counts.ts'
import { EgressGroup } from './connection/egress.ts'
import { Gateway } from './connection/gateway.ts'
import { LoadGuard } from './connection/load-guard.ts'
import { UserRates } from './connection/user-rates.ts'
import { Documents } from './documents/documents.ts'
import { Durability } from './documents/durability.ts'
import { Exchange } from './documents/exchange.ts'
import type { OpenDocument } from './documents/open-document.ts'
import { serveDemoTokens, serveDocuments } from './http/api.ts'
import { serveDemo } from './http/demo.ts'
import { serveDocumentSync } from './http/document-sync.ts'
import { serveHealth } from './http/health.ts'
import { serveIce } from './http/ice.ts'
import { type Measured, serveMetrics } from './http/metrics.ts'
import { serveNotifications } from './http/notifications.ts'
import { HttpError, sendProblem } from './http/problem.ts'
import { serveRooms } from './http/rooms.ts'
import { SealedFiles } from './http/sealed-files.ts'
import { serveSync } from './http/sync.ts'
import { Uploads } from './http/uploads.ts'
import { Notifications } from './inbox/notifications.ts'
import { createLogger } from './logger.ts'
import { Posting } from './rooms/posting.ts'
import { Rooms } from './rooms/rooms.ts'

/** The longest time that Node's timers take. */
const NEVER_MS = 2 ** 31 - 1
/** How long a client may take to send an HTTP request. */
const REQUEST_TIMEOUT_MS = 60_000
/** How long a browser remembers that a page of another origin may ask: otherwise it asks whether it may each time. */
const PREFLIGHT_S = 600
/** How often connections are looked through for those that don't send what they should, ms. */
const HANDSHAKE_CHECK_MS = 1_000
/** A name of 255 bytes, percent-encoded. */
const MAX_PARAMETER_LENGTH = 3 * 255

export interface Coweave {
  /** Starts listening. Resolves with the port. */
  start(): Promise<number>
  /**
   * Turns readiness red, accepts no more clients, and sends away those there are one after the other over DRAIN_TIME with
   * 1001, each once what was taken of it is committed and answered. Resolves once all have left; stop() comes next.
   */
  drain(): Promise<void>
  /** Stops accepting, commits what was taken, closes clients with 1001 and the log. May be called more than once. */
  stop(): Promise<void>
}

/**
 * Wires the parts of a server together; nothing listens before start().
 * @throws {StorageError} when the log can't be opened  @throws {CoweaveError} `config/invalid`
 */
export async function createCoweave(config: Config, logger: Logger = createLogger(config)): Promise<Coweave> {
  const tokens = new Tokens(config)
  const tls = tlsOf(config)
  const log = await openLog({
    url: config.DATABASE_URL,
    encryptionKey: config.ENCRYPTION_KEY,
    create: true,
    onProblem: (error) => logger.error({ error }, 'storage problem'),
  })
  const durability = new Durability(log, {
    commitTimeoutMs: config.COMMIT_TIMEOUT,
    onFailure: (error) => logger.error({ error }, 'a commit failed and is tried again'),
    onCommitted: (batch, positions) => cluster.committed(batch, positions),
    onLost: (names) => forgetDocuments(names),
    onRefused: (names) => forgetRefused(names),
    onRecovered: () => logger.info('storage takes writes again'),
  })
  const redis = config.REDIS_URL === undefined ? undefined : parseRedisUrl(config.REDIS_URL)
  const relay =
    redis === undefined
      ? undefined
      : new Relay({
          redis,
          namespace: log.id,
          logger,
          onUp: () => {
            cluster.reconnected()
            rooms.reconnected()
          },
          onDown: () => {},
        })
  const cluster = new Cluster({
    log,
    logger,
    relay,
    onBroken: ({ name }) => forget(new Set([name]), 'the document is loaded anew'),
  })
  const egresses = new EgressGroup(durability)
  const rooms = new Rooms({
    log,
    durability,
    logger,
    limits: { maxTextLength: config.CHAT_MESSAGE_LENGTH, maxMessages: config.CHAT_SEGMENT_MESSAGES },
    catchUp: (open) => cluster.catchUp(open),
    callTimes: { ringMs: config.CALL_RING_TIME, vanishedAfterMs: config.CALL_AWAY_TIME },
    isCutOff: () => relay?.isUp === false,
  })
  const documents = new Documents({
    log,
    rooms,
    onOpened: (open) => cluster.opened(open),
    onClosed: (open) => cluster.closed(open),
    onClientChange: (open) => rooms.changed(open),
    onFollowed: (open, author) => rooms.followed(open, author),
    onPresence: (open, clients) => cluster.presenceChanged(open, clients),
    onHereChanged: (open) => rooms.hereChanged(open),
    onDirect: (open, message) => cluster.directSent(open, message),
    durability,
    logger,
    idle: { timeMs: config.IDLE_DOCUMENT_TIME, maxBytes: config.IDLE_DOCUMENT_BYTES },
    maxPresenceBytes: config.MAX_PRESENCE_BYTES,
    maxBytes: config.MAX_DOCUMENT_BYTES,
    relayedClientIds: config.CLIENT_IDS === 'relay',
  })
  const hocuspocus = new Hocuspocus({
    quiet: true,
    // Pings and deadlines are ours, and so is the bound of documents that wait (socket-connection.ts).
    timeout: NEVER_MS,
    maxPendingDocuments: config.MAX_UNAUTHENTICATED_DOCUMENTS + 1,
    extensions: [documents, new Authentication(tokens, logger), cluster.extension],
  })
  rooms.use(hocuspocus)
  const load = new LoadGuard({ maxDelayMs: config.MAX_EVENT_LOOP_DELAY, maxMemoryBytes: config.MAX_MEMORY_BYTES })
  const users = new ConnectionCounts(config.MAX_CONNECTIONS_PER_USER)
  const counters = redis === undefined ? undefined : connectForCommands(redis)
  const rates = new UserRates({
    messagesPerSecond: config.USER_MESSAGES_PER_SECOND,
    bytesPerSecond: config.USER_BYTES_PER_SECOND,
    ...(counters && { redis: { client: counters, namespace: log.id } }),
    onProblem: (error) => logger.warn({ error }, 'the rates of users can not be counted'),
  })
  const catchUp = (open: OpenDocument) => cluster.catchUp(open)
  const parts = { config, logger, documents, durability, egresses, users, rates, catchUp }
  const gateway = new Gateway(hocuspocus, parts, load)
  const posting = new Posting({ log, durability, documents, rooms })
  const openDocument = (name: string) => {
    const document = hocuspocus.documents.get(name)
    return document && documents.get(document)
  }
  const notifications = new Notifications({ log, durability, openDocument })
  const exchange = new Exchange({ documents, durability, rooms, catchUp })
  const uploads = new Uploads({
    files: await SealedFiles.open(uploadFolder(config)),
    maxBytes: config.MAX_UPLOAD_BYTES,
    onProblem: (error) => logger.warn({ error }, 'parts of an upload could not be removed'),
  })
  const isStopping = () => draining !== undefined || stopping !== undefined
  const measure = (): Measured => ({
    connections: gateway.connections.size,
    documents: documents.size,
    idleDocuments: documents.idle,
    loads: documents.loads,
    appended: durability.appended,
    committed: durability.committed,
    waitingBytes: durability.waitingBytes,
    cluster: cluster.counts,
    isRelayUp: relay?.isUp,
  })
  const app = await createHttp(config, logger, {
    tls,
    tokens,
    log,
    durability,
    posting,
    notifications,
    rates,
    gateway,
    exchange,
    uploads,
    isStopping,
    measure,
  })
  app.server.on('upgrade', gateway.upgrade)
  // Before the connections of HTTP are cut: some of them are clients' tunnels.
  app.addHook('preClose', async () => {
    await durability.settled()
    await egresses.sent()
    gateway.closeAll(CloseCode.GoingAway, 'the server is stopping')
    await egresses.sent()
  })

  function forgetDocuments(names: ReadonlySet<string>): void {
    logger.error(
      { documents: [...names] },
      'storage failed for too long: documents are forgotten, clients keep their edits',
    )
    egresses.closeWaiting(CloseCode.TryAgainLater, 'storage is not available')
    forget(names, 'storage is not available')
  }

  function forgetRefused(names: ReadonlySet<string>): void {
    logger.warn({ documents: [...names] }, 'two users took the same Yjs client id: the later edits are refused')
    forget(names, 'the document is loaded anew')
  }

  /** Documents that hold what the log does not have: whoever has one open comes back and gets what the log has. */
  function forget(names: ReadonlySet<string>, reason: string): void {
    const forgotten = new Set(documents.forget(hocuspocus, names))
    for (const connection of gateway.connections) {
      const isAffected = [...connection.channels].some((channel) => forgotten.has(channel.document))
      if (isAffected) connection.close(CloseCode.TryAgainLater, reason)
    }
  }

  let draining: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  async function shutDown(): Promise<void> {
    gateway.stop()
    rooms.stop()
    load.close()
    await app.close()
    await uploads.close()
    documents.close()
    rooms.close()
    durability.close()
    await cluster.close()
    counters?.disconnect()
    await log.close()
  }

  return {
    async start() {
      await app.listen({
        host: config.HOST,
        port: config.PORT,
        listenTextResolver: (address) => `Coweave is listening on ${address}`,
      })
      const { port } = addressOf(app)
      return port
    },
    drain() {
      draining ??= gateway.drain(config.DRAIN_TIME)
      return draining
    },
    stop() {
      stopping ??= shutDown()
      return stopping
    },
  }
}

interface HttpParts {
  readonly tls: TlsOptions
  readonly tokens: Tokens
  readonly log: UpdateLog
  readonly durability: Durability
  readonly posting: Posting
  readonly notifications: Notifications
  readonly rates: UserRates
  readonly gateway: Gateway
  readonly exchange: Exchange
  readonly uploads: Uploads
  readonly isStopping: () => boolean
  readonly measure: () => Measured
}

async function createHttp(config: Config, logger: Logger, parts: HttpParts): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = logger
  const logController = new Fastify.LogController({ disableRequestLogging: true })
  const app = Fastify({
    loggerInstance,
    logController,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: slowHandshakes(config),
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    ...parts.tls,
  })
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler((request, reply) => {
    sendProblem(new HttpError(404, 'http/not-found', `there is nothing at ${request.url}`), request, reply)
  })
  await app.register(cors, {
    delegator: ({ headers }, done) =>
      done(null, {
        origin: allowsOrigin(headers.origin, headers.host, config),
        methods: ['GET', 'HEAD', 'POST', 'DELETE'],
        maxAge: PREFLIGHT_S,
      }),
  })
  serveHealth(app, async () => ({ storage: await parts.durability.check(), stopping: parts.isStopping() }))
  serveMetrics(app, parts.measure)
  serveDocuments(app, parts.tokens, parts.log)
  serveRooms(app, parts)
  serveNotifications(app, { ...parts, config })
  serveIce(app, parts.tokens, config)
  serveSync(app, parts.gateway, config)
  serveDocumentSync(app, { ...parts, config })
  if (isDemo(config)) serveDemoTokens(app, parts.tokens)
  await serveDemo(app, fileURLToPath(new URL('../editor-demo/dist', import.meta.url)))
  return app
}

/** Who takes longer to send a request's headers is cut off, as who takes longer to authenticate. */
function slowHandshakes({ AUTHENTICATION_TIMEOUT }: Config): ServerOptions {
  const headersTimeout = Math.min(AUTHENTICATION_TIMEOUT, REQUEST_TIMEOUT_MS)
  return {
    headersTimeout,
    handshakeTimeout: headersTimeout,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(HANDSHAKE_CHECK_MS, headersTimeout),
  }
}

interface TlsOptions {
  readonly serverFactory?: FastifyServerFactory
}

/** @throws {CoweaveError} `config/invalid` for files that can't be read, or are no certificate with its key */
function tlsOf(config: Config): TlsOptions {
  const { TLS_CERT, TLS_KEY } = config
  if (TLS_CERT === undefined || TLS_KEY === undefined) return {}
  try {
    const files = { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) }
    createSecureContext(files)
    return { serverFactory: (handler) => createServer({ ...files, ...slowHandshakes(config) }, handler) }
  } catch (cause) {
    throw new CoweaveError('config/invalid', `wrong settings:\n  TLS_CERT, TLS_KEY: ${String(cause)}`, { cause })
  }
}

/**
 * Beside the database, where that is a file: a folder for temporary files is often memory. One for each port, since it is
 * emptied when it is opened, and several processes may share the database.
 */
function uploadFolder({ DATABASE_URL, PORT }: Config): string {
  const instance = PORT === 0 ? `pid-${process.pid}` : `${PORT}`
  if (isPostgresUrl(DATABASE_URL)) return join(tmpdir(), `coweave-uploads-${instance}`)
  return join(`${DATABASE_URL.replace(/^sqlite:/, '')}.uploads`, instance)
}

function addressOf(app: FastifyInstance): AddressInfo {
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a TCP port')
  return address
}
