import { Hocuspocus } from '@hocuspocus/server'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { CloseCode } from '../model/close-codes.ts'
import { openLog } from '../persistence/open-log.ts'
import { accessBy } from './access/access-by.ts'
import type { RecheckScope } from './access/decisions.ts'
import type { Principal } from './access/grants.ts'
import { Tokens } from './access/tokens.ts'
import { Audit } from './admin/audit.ts'
import { Moderation } from './admin/moderation.ts'
import { Restrictions } from './admin/restrictions.ts'
import { Cluster } from './cluster/cluster.ts'
import { type Config, isDemo, vapidOf } from './config.ts'
import { AccessWatch } from './connection/access-watch.ts'
import { ConnectionCounts } from './connection/connection-counts.ts'
import { EgressGroup } from './connection/egress.ts'
import { Gateway } from './connection/gateway.ts'
import { LoadGuard } from './connection/load-guard.ts'
import { Opener } from './connection/opener.ts'
import { UserRates } from './connection/user-rates.ts'
import { conversionThreads } from './conversions/conversion-threads.ts'
import { Conversions } from './conversions/conversions.ts'
import { Deletions } from './documents/deletions.ts'
import { Documents } from './documents/documents.ts'
import { Durability } from './documents/durability.ts'
import { Exchange } from './documents/exchange.ts'
import { Forgetting } from './documents/forgetting.ts'
import type { OpenDocument } from './documents/open-document.ts'
import { Resets } from './documents/resets.ts'
import { Seeding } from './documents/seeding.ts'
import { Visits } from './documents/visits.ts'
import { type Explanation, explain, type Question } from './embedding/explain.ts'
import type { Hooks } from './embedding/hooks.ts'
import { Observers } from './embedding/observers.ts'
import { productRules } from './embedding/rules-of.ts'
import type { Background } from './events/background.ts'
import { ChangeAnnouncer } from './events/change-announcer.ts'
import { EventBus } from './events/event-bus.ts'
import { eventRetention } from './events/event-retention.ts'
import { OpenStreams } from './events/open-streams.ts'
import { History } from './history/history.ts'
import { historyPacking, historyRetention } from './history/history-retention.ts'
import { historyThreads } from './history/history-threads.ts'
import { createApp } from './http/app.ts'
import { LeftFolders } from './http/left-folders.ts'
import type { Measured } from './http/metrics.ts'
import { SealedFiles } from './http/sealed-files.ts'
import { readTls } from './http/tls.ts'
import { Uploads } from './http/uploads.ts'
import { HeldNotifications } from './inbox/held-notifications.ts'
import { Notifications } from './inbox/notifications.ts'
import { Loading } from './loading/loading.ts'
import { loadingThreads } from './loading/loading-threads.ts'
import { Erasures } from './people/erasures.ts'
import { loadRedis, portOf, uploadFolder } from './places.ts'
import { Posting } from './rooms/posting.ts'
import { Rooms } from './rooms/rooms.ts'
import { openSearch } from './search/open-search.ts'
import { searchThreads } from './search/search-threads.ts'
import { openWebhooks } from './webhooks/webhooks.ts'

export interface CoweaveServer {
  /** Starts listening. Resolves with the port. */
  start(): Promise<number>
  /** Instead of start(), where another server listens, and hands over its requests to `app` and `upgrade`. */
  open(): Promise<void>
  /**
   * Turns readiness red, accepts no more clients, and sends away those there are one after the other over DRAIN_TIME with
   * 1001, each once what was taken of it is committed and answered. Resolves once all have left; stop() comes next.
   */
  drain(): Promise<void>
  /** Stops accepting, commits what was taken, closes clients with 1001 and the log. May be called more than once. */
  stop(): Promise<void>
  readonly app: FastifyInstance
  readonly upgrade: Gateway['upgrade']
  readonly tokens: Tokens
  /** Has it looked up again, on all instances, who may do what; see AccessWatch.recheck(). */
  recheck(scope: RecheckScope): Promise<void>
  /** What would become of a change. */
  explain(question: Question): Promise<Explanation>
}

export interface ServerOptions {
  /** Whether the demo's pages are served. */
  readonly demo?: boolean
  readonly hooks?: Hooks
  /** Whether it is a part of another process, so that its port tells it from no others. */
  readonly isEmbedded?: boolean
}

/**
 * Wires the parts of a server together; nothing listens before start().
 * @throws {StorageError} when the log can't be opened  @throws {CoweaveError} `config/invalid`
 */
export async function createServer(
  config: Config,
  logger: Logger,
  options: ServerOptions = {},
): Promise<CoweaveServer> {
  const opened = new AsyncDisposableStack()
  try {
    return await wire(config, logger, options, opened)
  } catch (error) {
    // What is open would keep the process for ever, and what is around a server goes on without it.
    await opened.disposeAsync()
    throw error
  }
}

/** Puts what would go on without the server into `opened`. */
async function wire(
  config: Config,
  logger: Logger,
  { demo = false, hooks = {}, isEmbedded = false }: ServerOptions,
  opened: AsyncDisposableStack,
): Promise<CoweaveServer> {
  const tokens = new Tokens(config)
  const { authorize, seed } = hooks
  const access = accessBy(authorize, tokens, config, logger)
  const tls = readTls(config)
  const log = await openLog({
    url: config.DATABASE_URL,
    encryptionKey: config.ENCRYPTION_KEY,
    create: true,
    onProblem: (error) => logger.error({ error }, 'storage problem'),
  })
  opened.defer(() => log.close())
  const observers = new Observers(hooks, logger)
  const durability = new Durability(log, {
    commitTimeoutMs: config.COMMIT_TIMEOUT,
    onFailure: (error) => logger.error({ error }, 'a commit failed and is tried again'),
    onCommitted: (batch, positions) => {
      cluster.committed(batch, positions)
      bus.committed(batch, positions)
      indexer?.committed(batch, positions)
      observers.committed(batch, positions)
    },
    onLost: (names) => forgetting.lost(names),
    onRefused: (names) => forgetting.refused(names),
    onRecovered: () => logger.info('storage takes writes again'),
  })
  const onEventProblem = (error: unknown) => logger.warn({ error }, 'events can not be read or forgotten now')
  const bus = new EventBus({ events: log.events, onProblem: onEventProblem })
  const chores: Background[] = [
    eventRetention({ events: log.events, days: config.EVENT_DAYS, onProblem: onEventProblem }),
    historyRetention({ log, logger, keptDays: config.HISTORY_DAYS }),
    ...(config.HISTORY_PACK_DAYS > 0 ? [historyPacking({ log, logger, afterDays: config.HISTORY_PACK_DAYS })] : []),
    new ChangeAnnouncer({ events: log.events, delayMs: config.CHANGE_DELAY, onProblem: onEventProblem }),
  ]
  const redis = config.REDIS_URL === undefined ? undefined : await loadRedis(config.REDIS_URL)
  const relay =
    redis &&
    new redis.Relay({
      redis: redis.target,
      namespace: log.id,
      logger,
      onUp: () => {
        cluster.reconnected()
        rooms.reconnected()
      },
    })
  const cluster = new Cluster({
    log,
    logger,
    relay,
    onBroken: ({ name }) => forgetting.broken(name),
    onDeleted: ({ name }) => forgetting.deleted(new Set([name])),
    onReset: ({ name }) => forgetting.reset(new Set([name])),
    onRecheck: (scope) => void accessWatch.recheck(scope),
  })
  opened.defer(() => cluster.close())
  const catchUp = (open: OpenDocument) => cluster.catchUp(open)
  const egresses = new EgressGroup(durability)
  const openDocument = (name: string) => {
    const document = hocuspocus.documents.get(name)
    return document && documents.get(document)
  }
  const vapid = vapidOf(config)
  const notifications = new Notifications({
    log,
    durability,
    openDocument,
    pushDelayMs: vapid && config.PUSH_DELAY,
    onProblem: (error) => logger.error({ error }, 'notifications could not be stored'),
  })
  const onHeldProblem = (error: unknown) => logger.error({ error }, 'notifications that wait could not be told now')
  if (access.isAsking) chores.push(new HeldNotifications({ log, bus, access, notifications, onProblem: onHeldProblem }))
  const rooms = new Rooms({
    log,
    durability,
    logger,
    limits: { maxTextLength: config.CHAT_MESSAGE_LENGTH, maxMessages: config.CHAT_SEGMENT_MESSAGES },
    notifications,
    asksFirst: access.isAsking,
    link: config.NOTIFICATION_LINK,
    present: (name) => openDocument(name)?.users ?? new Set(),
    isOpenToAll: isDemo(config) || config.NOTIFY === 'anyone',
    catchUp,
    callTimes: { ringMs: config.CALL_RING_TIME, vanishedAfterMs: config.CALL_AWAY_TIME },
    isCutOff: () => relay?.isUp === false,
  })
  const maxBytes = config.MAX_DOCUMENT_BYTES
  const seeding = seed && new Seeding({ seed, durability, timeoutMs: config.SEED_TIMEOUT, maxBytes })
  const rulesOf = hooks.rules && productRules(hooks.rules, logger)
  const onThreadEnd = (error: Error) => logger.error({ error }, 'a thread ended')
  const threads = {
    loading: loadingThreads(onThreadEnd),
    history: historyThreads(onThreadEnd),
    conversions: conversionThreads(onThreadEnd),
    search: searchThreads(onThreadEnd),
  }
  const documents = new Documents({
    log,
    rooms,
    loading: new Loading(threads.loading, logger),
    seeding,
    rulesOf,
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
    writingMs: egresses.writingMs,
    maxPresenceBytes: config.MAX_PRESENCE_BYTES,
    maxShown: config.PRESENCE_SHOWN,
    maxBytes,
    relayedClientIds: config.CLIENT_IDS === 'relay',
    isMuted: (user, document) => restrictions.isMuted(user, document),
  })
  const hocuspocus = new Hocuspocus({
    quiet: true,
    extensions: [documents, cluster.extension],
  })
  rooms.use(hocuspocus)
  const load = new LoadGuard({ maxDelayMs: config.MAX_EVENT_LOOP_DELAY, maxMemoryBytes: config.MAX_MEMORY_BYTES })
  opened.defer(() => load.close())
  const users = new ConnectionCounts(config.MAX_CONNECTIONS_PER_USER)
  const counters = redis?.connectForCommands(redis.target)
  opened.defer(() => counters?.disconnect())
  const rates = new UserRates({
    messagesPerSecond: config.USER_MESSAGES_PER_SECOND,
    bytesPerSecond: config.USER_BYTES_PER_SECOND,
    ...(counters && { redis: { client: counters, namespace: log.id } }),
    onProblem: (error) => logger.warn({ error }, 'the rates of users can not be counted'),
  })
  const isRevoked = (principal: Principal) => restrictions.isRevoked(principal)
  const opener = new Opener({ hocuspocus, access, documents, logger, catchUp })
  const parts = { config, logger, opener, documents, durability, egresses, users, rates, catchUp, isRevoked }
  const gateway = new Gateway(parts, load)
  const { connections } = gateway
  const forgetting = new Forgetting({
    forget: (names) => documents.forget(hocuspocus, names),
    connections,
    egresses,
    logger,
  })
  const streams = new OpenStreams()
  const restrictions = await Restrictions.open({
    store: log.admin,
    relay,
    logger,
    onKick(kick) {
      for (const connection of connections) connection.kicked(kick)
      streams.kicked(kick)
      visits.kicked(kick)
    },
    onRevoked: () => gateway.revoked(),
  })
  opened.defer(() => restrictions.close())
  tokens.restrain(restrictions)
  const audit = new Audit(log.admin)
  const accessWatch = new AccessWatch({ access, timeMs: config.AUTHORIZE_TIME, connections })
  const posting = new Posting({ log, durability, documents, rooms, access })
  const { Pusher } = vapid === undefined ? {} : await import('./push/pusher.ts')
  const pusher =
    vapid &&
    Pusher &&
    new Pusher({
      pushes: log.pushes,
      vapid,
      hosts: config.PUSH_HOSTS,
      timeoutMs: config.PUSH_TIMEOUT,
      delayMs: config.PUSH_DELAY,
      present: (users, since) => gateway.present(users, since),
      mayBeTold: (user, document) => access.mayBeTold(user, document),
      logger,
    })
  const deletions = new Deletions({
    log,
    durability,
    hocuspocus,
    logger,
    keptDays: config.DELETED_DOCUMENT_DAYS,
    onGone: (names) => forgetting.deleted(names),
    tell: (names) => cluster.lookAgain(names),
  })
  opened.defer(() => deletions.close())
  const erasures = new Erasures({
    log,
    durability,
    rooms,
    openDocument,
    deletions,
    logger,
    letGo: (document) => documents.letGo(document),
    users: () => [...connections].flatMap(({ users }) => [...users]),
    onErased(user) {
      rooms.erased(user)
      gateway.closeUser(user, CloseCode.Unauthorized, 'the user was erased')
      documents.disown(user)
    },
  })
  opened.defer(() => erasures.close())
  const exchange = new Exchange({ documents, durability, rooms, catchUp, access })
  const conversions = new Conversions({ log, threads: threads.conversions, maxBytes: config.HISTORY_BYTES })
  const { search, indexer } = openSearch({ config, log, logger, threads: threads.search, access })
  const history = new History({ log, threads: threads.history, maxBytes: config.HISTORY_BYTES })
  const visits = new Visits({
    documents,
    rooms,
    access,
    isRevoked,
    changesPerSecond: config.PRESENCE_CHANGES_PER_SECOND,
    maxVisits: config.MAX_DOCUMENTS_PER_CONNECTION,
    presenceKnown: (open) => cluster.presenceKnown(open),
    tellPresence: () => cluster.tellPresence(),
  })
  const resets = new Resets({
    log,
    durability,
    history,
    hocuspocus,
    onReset: (names) => forgetting.reset(names),
    tell: (names) => cluster.lookAgain(names),
  })
  const uploadPlace = uploadFolder(config, isEmbedded)
  const uploads = new Uploads({
    files: await SealedFiles.open(uploadPlace.folder),
    left: new LeftFolders(uploadPlace.left),
    maxBytes: config.MAX_UPLOAD_BYTES,
    onProblem: (error) => logger.warn({ error }, 'parts of an upload could not be removed'),
  })
  const webhooks = await openWebhooks(config, { log, bus, logger })
  const background = [...chores, webhooks, ...(pusher ? [pusher] : [])]
  const isStopping = () => draining !== undefined || stopping !== undefined
  const measure = (): Measured => ({
    connections: connections.size,
    documents: documents.size,
    idleDocuments: documents.idle,
    loads: documents.loads,
    appended: durability.appended,
    committed: durability.committed,
    waitingBytes: durability.waitingBytes,
    commits: durability.commits,
    traffic: egresses.traffic,
    cluster: cluster.counts,
    pushes: pusher?.counts,
    deliveries: webhooks.sender.counts,
    backlog: webhooks.sender.backlog,
    isRelayUp: relay?.isUp,
  })
  const app = await createApp(config, logger, {
    tls,
    demo,
    tokens,
    access,
    log,
    durability,
    posting,
    notifications,
    bus,
    streams,
    rates,
    gateway,
    exchange,
    deletions,
    audit,
    documents,
    moderation: new Moderation({ log, audit, restrictions }),
    restrictions,
    erasures,
    history,
    conversions,
    search,
    resets,
    uploads,
    visits,
    webhooks,
    rooms,
    isStopping,
    measure,
    busy: () => ({ users: users.size, load: load.last }),
  })
  app.server.on('upgrade', gateway.upgrade)
  // Before the connections of HTTP are cut: some of them are clients' tunnels.
  app.addHook('preClose', async () => {
    await durability.settled()
    await egresses.sent()
    gateway.closeAll(CloseCode.GoingAway, 'the server is stopping')
    await egresses.sent()
  })

  let draining: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  async function shutDown(): Promise<void> {
    gateway.stop()
    visits.close()
    accessWatch.close()
    rooms.close()
    load.close()
    restrictions.close()
    bus.close()
    deletions.close()
    erasures.close()
    const done = Promise.all(background.map((work) => work.stop()))
    await app.close()
    await indexer?.stop()
    await Promise.all(Object.values(threads).map((pool) => pool.close()))
    await uploads.close()
    documents.close()
    durability.close()
    await observers.close()
    await done
    await cluster.close()
    counters?.disconnect()
    await log.close()
  }

  function started(): void {
    for (const work of background) work.start()
    indexer?.start()
  }

  return {
    app,
    upgrade: gateway.upgrade,
    tokens,
    async start() {
      await app.listen({
        host: config.HOST,
        port: config.PORT,
        listenTextResolver: (address) => `Coweave is listening on ${address}`,
      })
      started()
      return portOf(app)
    },
    async open() {
      await app.ready()
      started()
    },
    explain: (question) => explain({ log, durability, restrictions, maxBytes, rulesOf }, question),
    async recheck(scope) {
      cluster.recheck(scope)
      await accessWatch.recheck(scope)
    },
    drain() {
      bus.close()
      draining ??= gateway.drain(config.DRAIN_TIME)
      return draining
    },
    stop() {
      stopping ??= shutDown()
      return stopping
    },
  }
}
